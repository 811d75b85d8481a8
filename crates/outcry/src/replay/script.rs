//! A recording as steps that traders could take.
//!
//! The levels the recording starts with become anonymous orders, one a level; what later refers to
//! an order that was never added refers to one of those. Executions at the same time and side are
//! one incoming order that took them all: an immediate-or-cancel order at the worst of the prices.

use std::collections::HashSet;

use super::lobster::{Kind, Recording, Side, Top};

/// Who a recorded order is to the players.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resting {
    /// Added by a message, with its recorded id.
    Known(i64),
    /// Anonymous, at the start: one a side and price.
    Seed(Side, i64),
}

/// What a trader does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Places a limit order that rests.
    Place {
        order: Resting,
        side: Side,
        quantity: i64,
        price: i64,
    },
    /// Takes part of an order back.
    Reduce { order: Resting, by: i64 },
    /// Takes an order back.
    Cancel { order: Resting },
    /// Takes what rests, up to a price.
    Take {
        side: Side,
        quantity: i64,
        limit: i64,
        /// What was recorded to be taken, in order.
        recorded: Vec<Taken>,
    },
    /// Stops trading, or lets it go on.
    Halt(bool),
    /// Nothing to do: a hidden order was executed.
    Nothing,
}

/// One recorded execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Line of the message, from 1.
    pub line: usize,
    /// The order the recording names.
    pub recorded: i64,
    /// The order that is among the players.
    pub order: Resting,
    pub price: i64,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Names the step within the recording: the number of its first message, 0 for the start.
    pub number: usize,
    pub action: Action,
    /// The recorded best prices after it; none while the start is being made.
    pub after: Option<Top>,
}

/// All steps.
#[derive(Debug, Clone)]
pub struct Script {
    pub steps: Vec<Step>,
}

// === impl Script ===

impl Script {
    /// The steps of a recording.
    pub fn of(recording: &Recording) -> Self {
        let mut steps = seeds(recording);
        let mut added: HashSet<i64> = HashSet::new();
        let resting = |added: &HashSet<i64>, order: i64, side: Side, price: i64| {
            if added.contains(&order) {
                Resting::Known(order)
            } else {
                Resting::Seed(side, price)
            }
        };
        let messages = &recording.messages;
        let mut at = 0;
        while let Some(message) = messages.get(at) {
            let mut last = at;
            let order = resting(&added, message.order, message.side, message.price);
            let action = match message.kind {
                Kind::Add => {
                    added.insert(message.order);
                    Action::Place {
                        order: Resting::Known(message.order),
                        side: message.side,
                        quantity: message.size,
                        price: message.price,
                    }
                }
                Kind::Reduce => Action::Reduce {
                    order,
                    by: message.size,
                },
                Kind::Delete => match order {
                    Resting::Known(_) => Action::Cancel { order },
                    // Only part of a level's anonymous order is the recorded one.
                    Resting::Seed(..) => Action::Reduce {
                        order,
                        by: message.size,
                    },
                },
                Kind::Execute => {
                    let same = |next: &super::lobster::Message| {
                        next.kind == Kind::Execute
                            && next.time == message.time
                            && next.side == message.side
                    };
                    while messages.get(last + 1).is_some_and(same) {
                        last += 1;
                    }
                    let group = &messages[at..=last];
                    let prices = group.iter().map(|one| one.price);
                    let limit = match message.side {
                        Side::Buy => prices.min(),
                        Side::Sell => prices.max(),
                    };
                    Action::Take {
                        side: message.side.opposite(),
                        quantity: group.iter().map(|one| one.size).sum(),
                        limit: limit.unwrap_or(message.price),
                        recorded: group
                            .iter()
                            .enumerate()
                            .map(|(offset, one)| Taken {
                                line: at + offset + 1,
                                recorded: one.order,
                                order: resting(&added, one.order, one.side, one.price),
                                price: one.price,
                            })
                            .collect(),
                    }
                }
                Kind::Hidden => Action::Nothing,
                Kind::Halt(stop) => Action::Halt(stop),
            };
            steps.push(Step {
                number: at + 1,
                action,
                after: recording.books.get(last).map(super::lobster::BookRow::top),
            });
            at = last + 1;
        }
        Self { steps }
    }
}

/// The book before the first message: its row, with the first message undone.
fn seeds(recording: &Recording) -> Vec<Step> {
    let (Some(first), Some(row)) = (recording.messages.first(), recording.books.first()) else {
        return Vec::new();
    };
    let sides = [(Side::Sell, &row.asks), (Side::Buy, &row.bids)];
    let mut steps = Vec::new();
    for (side, levels) in sides {
        for (price, size) in levels {
            let just_added = first.kind == Kind::Add && first.side == side && first.price == *price;
            let quantity = if just_added { size - first.size } else { *size };
            if quantity > 0 {
                let action = Action::Place {
                    order: Resting::Seed(side, *price),
                    side,
                    quantity,
                    price: *price,
                };
                steps.push(Step {
                    number: 0,
                    action,
                    after: None,
                });
            }
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::super::lobster::{BookRow, Message};
    use super::*;

    fn message(time: &str, kind: Kind, order: i64, size: i64, price: i64, side: Side) -> Message {
        Message {
            time: time.to_owned(),
            kind,
            order,
            size,
            price,
            side,
        }
    }

    fn script(messages: Vec<Message>) -> Vec<Action> {
        let row = BookRow {
            asks: vec![(102, 5)],
            bids: vec![(100, 18), (99, 4)],
        };
        let books = vec![row; messages.len()];
        let recording = Recording { messages, books };
        let steps = Script::of(&recording).steps;
        steps.into_iter().map(|step| step.action).collect()
    }

    #[test]
    fn the_start_is_the_first_row_without_the_first_message() {
        let actions = script(vec![message("1", Kind::Add, 7, 18, 100, Side::Buy)]);
        assert_eq!(
            actions.len(),
            3,
            "one ask, one bid besides the added one, the added one"
        );
        assert!(matches!(
            actions[2],
            Action::Place {
                order: Resting::Known(7),
                quantity: 18,
                ..
            }
        ));
    }

    #[test]
    fn executions_of_one_moment_are_one_incoming_order_at_the_worst_price() {
        let actions = script(vec![
            message("1", Kind::Add, 7, 1, 100, Side::Buy),
            message("2", Kind::Execute, 7, 1, 100, Side::Buy),
            message("2", Kind::Execute, 99, 3, 99, Side::Buy),
            message("3", Kind::Execute, 98, 1, 99, Side::Buy),
        ]);
        let Action::Take {
            side,
            quantity,
            limit,
            recorded,
        } = &actions[4]
        else {
            panic!("{actions:?}");
        };
        assert_eq!((*side, *quantity, *limit), (Side::Sell, 4, 99));
        assert_eq!(recorded[0].order, Resting::Known(7));
        assert_eq!(recorded[1].order, Resting::Seed(Side::Buy, 99));
        assert_eq!(actions.len(), 6);
    }

    #[test]
    fn what_refers_to_an_order_never_added_reduces_the_level_it_started_in() {
        let actions = script(vec![message("1", Kind::Delete, 42, 2, 99, Side::Buy)]);
        assert_eq!(
            actions[3],
            Action::Reduce {
                order: Resting::Seed(Side::Buy, 99),
                by: 2
            }
        );
    }
}
