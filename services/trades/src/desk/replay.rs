//! A desk from the store: the book is rebuilt from the symbol's events, in the order in which the
//! venue decided them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use outcry_contracts::trades::v1::{
    Liquidity, TradeCancelledEvent, TradeCreatedEvent, TradeExecutedEvent, TradePlacedEvent,
};
use outcry_events::{Amount, EventSet, SealedEvent};
use outcry_store::{ReadAll, Store, StoreError};
use uuid::Uuid;

use super::recent::Recent;
use super::{Desk, Market};
use crate::book::{
    Book, BookEvent, CancelReason, Execution, Match, Pricing, Replacement, Side, Terms,
};
use crate::trade::{Trade, TradeEvent, Unreadable, id};
use crate::views::{self, SymbolRow};

/// Events read at a time.
const PAGE: usize = 2_000;

/// Why a desk cannot be made from the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The store did not answer.
    #[error("reading the events of {symbol}")]
    Store {
        symbol: String,
        #[source]
        source: StoreError,
    },
    /// The events are not those of a book.
    #[error("event {event_id} of {symbol} does not fit what happened before")]
    Broken {
        symbol: String,
        event_id: Uuid,
        #[source]
        source: Misfit,
    },
}

impl LoadError {
    /// Whether it is the events that are wrong: trying again does not help.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            LoadError::Store { source, .. } => !matches!(source, StoreError::Backend(_)),
            LoadError::Broken { .. } => true,
        }
    }
}

/// What is wrong with an event in its place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misfit {
    /// It cannot be read, or does not fit its trade.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Its trade is not in the book.
    #[error("order {0} is not in the book")]
    NotInBook(Uuid),
    /// Its terms mean nothing to the book.
    #[error("terms the book cannot hold")]
    Terms,
    /// It has another number than its place in the venue's sequence.
    #[error("venue sequence {found} where {expected} belongs")]
    Sequence { expected: u64, found: u64 },
    /// Only one side of a match.
    #[error("a match without its other side")]
    HalfMatch,
}

/// A book being rebuilt.
struct Replay<'a> {
    market: &'a Market,
    book: Book,
    trades: HashMap<Uuid, Trade>,
    /// The first side of a match whose second comes next.
    half: Option<TradeExecutedEvent>,
    latest: SystemTime,
}

/// Loads a symbol's desk as the store has it.
pub(super) async fn load(store: &dyn Store, market: &Market) -> Result<Desk, LoadError> {
    let symbol = &market.symbol;
    let failed = |source| LoadError::Store {
        symbol: symbol.clone(),
        source,
    };
    // Before the events: should somebody write meanwhile, the version is too old, not the book.
    let (row, version) = views::symbol(store, symbol).await.map_err(failed)?;
    let mut replay = Replay {
        market,
        book: Book::new(market.rules),
        trades: HashMap::new(),
        half: None,
        latest: UNIX_EPOCH,
    };
    let mut filter = ReadAll {
        after: 0,
        partition_key: Some(symbol.clone()),
        limit: PAGE,
    };
    loop {
        let page = store.read_all(&filter).await.map_err(failed)?;
        for stored in &page {
            replay
                .apply(&stored.event)
                .map_err(|source| LoadError::Broken {
                    symbol: symbol.clone(),
                    event_id: stored.event.id(),
                    source,
                })?;
            filter.after = stored.position;
        }
        if page.len() < PAGE {
            break;
        }
    }
    let barred = views::barred(store, symbol).await.map_err(failed)?;
    if !market.listed || row.halted {
        replay.book.evolve(&BookEvent::Halted);
    }
    let mut desk = replay.into_desk(barred.into_iter().collect());
    (desk.row, desk.version) = (row, version);
    Ok(desk)
}

impl Replay<'_> {
    fn into_desk(self, barred: HashSet<Uuid>) -> Desk {
        let sides = [Side::Buy, Side::Sell];
        let orders = sides.into_iter().flat_map(|side| self.book.orders(side));
        let unarmed: BTreeSet<_> = orders.filter_map(|order| order.expires_at).collect();
        Desk {
            market: self.market.clone(),
            book: self.book,
            trades: self.trades,
            barred,
            recent: Recent::default(),
            row: SymbolRow::default(),
            version: 0,
            armed: BTreeSet::new(),
            unarmed,
            latest: self.latest,
        }
    }

    fn apply(&mut self, sealed: &SealedEvent) -> Result<(), Misfit> {
        let event = TradeEvent::open(sealed).map_err(Unreadable::from)?;
        self.latest = self.latest.max(sealed.occurred_at());
        if self.half.is_some() && !matches!(event, TradeEvent::Executed(_)) {
            return Err(Misfit::HalfMatch);
        }
        match &event {
            TradeEvent::Created(event) => return self.created(sealed, event),
            TradeEvent::Placed(event) => self.placed(event)?,
            TradeEvent::Executed(event) => self.executed(event)?,
            TradeEvent::Cancelled(event) => self.cancelled(event)?,
            TradeEvent::Failed(_) | TradeEvent::Closed(_) => {}
        }
        let order_id = order_of(&event)?;
        // A closed trade left the book when it was filled.
        let Some(trade) = self.trades.get_mut(&order_id) else {
            return Ok(());
        };
        trade.apply(sealed, &event)?;
        if !trade.is_open() {
            self.trades.remove(&order_id);
        }
        Ok(())
    }

    fn created(&mut self, sealed: &SealedEvent, event: &TradeCreatedEvent) -> Result<(), Misfit> {
        let trade = Trade::born(sealed, event)?;
        self.trades.insert(trade.order_id, trade);
        Ok(())
    }

    fn placed(&mut self, event: &TradePlacedEvent) -> Result<(), Misfit> {
        let order_id = id(&event.order_id, "order_id")?;
        let price = Amount::from_required(event.limit_price.as_ref())
            .map_err(Unreadable::from)?
            .raw();
        let happened = if event.revision == 0 {
            BookEvent::Placed(self.terms(order_id, price)?)
        } else {
            BookEvent::Replaced(Replacement {
                order_id,
                quantity: event.quantity,
                price,
                keeps_priority: event.kept_priority,
            })
        };
        self.evolve(&happened, event.venue_sequence)
    }

    /// The terms of an order with the price it was accepted at.
    fn terms(&self, order_id: Uuid, price: i64) -> Result<Terms, Misfit> {
        let trade = self
            .trades
            .get(&order_id)
            .ok_or(Misfit::NotInBook(order_id))?;
        let (session, tick) = (self.market.session, self.market.rules.tick);
        let terms = trade.book_terms(session, tick).map_err(|_| Misfit::Terms)?;
        let pricing = match terms.pricing {
            Pricing::Limit(_) => Pricing::Limit(price),
            Pricing::Market { .. } => Pricing::Market { collar: price },
        };
        Ok(Terms { pricing, ..terms })
    }

    fn executed(&mut self, event: &TradeExecutedEvent) -> Result<(), Misfit> {
        let Some(first) = self.half.take() else {
            self.half = Some(event.clone());
            return Ok(());
        };
        let (taker, maker) = match first.liquidity() {
            Liquidity::Taker => (&first, event),
            Liquidity::Maker | Liquidity::Unspecified => (event, &first),
        };
        if taker.match_id != maker.match_id || maker.liquidity() != Liquidity::Maker {
            return Err(Misfit::HalfMatch);
        }
        let price = Amount::from_required(maker.last_price.as_ref())
            .map_err(Unreadable::from)?
            .raw();
        let happened = BookEvent::Matched(Match {
            price,
            quantity: maker.last_quantity,
            taker: self.execution(taker, price)?,
            maker: self.execution(maker, price)?,
        });
        self.evolve(&happened, maker.venue_sequence)
    }

    fn execution(&self, event: &TradeExecutedEvent, price: i64) -> Result<Execution, Misfit> {
        let order_id = id(&event.order_id, "order_id")?;
        let order = self
            .book
            .order(order_id)
            .ok_or(Misfit::NotInBook(order_id))?;
        let fee = Amount::from_required(event.fee.as_ref()).map_err(Unreadable::from)?;
        Ok(Execution {
            order_id,
            executed: event.cumulative_quantity,
            leaves: event.leaves_quantity,
            notional: order.notional + i128::from(price) * i128::from(event.last_quantity),
            fee: fee.raw(),
        })
    }

    fn cancelled(&mut self, event: &TradeCancelledEvent) -> Result<(), Misfit> {
        let order_id = id(&event.order_id, "order_id")?;
        if self.book.order(order_id).is_none() {
            return Err(Misfit::NotInBook(order_id));
        }
        let happened = BookEvent::Cancelled {
            order_id,
            leaves: event.cancelled_quantity,
            reason: CancelReason::Requested,
        };
        self.evolve(&happened, event.venue_sequence)
    }

    fn evolve(&mut self, happened: &BookEvent, venue_sequence: u64) -> Result<(), Misfit> {
        self.book.evolve(happened);
        if self.book.venue_seq() != venue_sequence {
            return Err(Misfit::Sequence {
                expected: self.book.venue_seq(),
                found: venue_sequence,
            });
        }
        Ok(())
    }
}

fn order_of(event: &TradeEvent) -> Result<Uuid, Unreadable> {
    let order_id = match event {
        TradeEvent::Created(event) => &event.order_id,
        TradeEvent::Placed(event) => &event.order_id,
        TradeEvent::Executed(event) => &event.order_id,
        TradeEvent::Closed(event) => &event.order_id,
        TradeEvent::Cancelled(event) => &event.order_id,
        TradeEvent::Failed(event) => &event.order_id,
    };
    id(order_id, "order_id")
}
