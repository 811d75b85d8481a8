//! The desk of one symbol: its book and its open trades in memory, and what a request does to
//! them. Decides and writes into a [`Batch`]; does no IO.
//!
//! A desk that has written into a batch is ahead of the store until the batch is committed. When
//! that fails, the desk is thrown away and loaded again.
//!
//! A desk writes for its symbol as long as the fence it was opened with holds: once the symbol is
//! another process's, its commits are refused and it ends.
//!
//! Every commit of a desk also writes the symbol's row and demands that nobody else has done so
//! since the desk was loaded. Should two desks write for one symbol all the same, the one that is
//! behind fails, loads what the other wrote, and goes on from there.

mod apply;
mod ask;
mod batch;
mod checkpoint;
mod handle;
mod hours;
mod pen;
mod recent;
mod replay;
mod snapshot;
mod writer;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use outcry_contracts::trades::v1::{FailureReason, TradeCreatedEvent};
use outcry_events::Cause;
use outcry_store::{Commit, Timer, timer};
use uuid::Uuid;

use crate::book::{Book, BookEvent, Command, Rejection, Replacement, Rules, Side};
use crate::calendar::Schedule;
use crate::trade::{Trade, id};
use crate::views::{self, SymbolRow};

pub(crate) use apply::failed;
pub(crate) use ask::{Ask, Cancel, Lack, NoEffect, Replace, SetSession, Told, Verdict};
pub(crate) use batch::Batch;
pub(crate) use handle::{Answer, DeskHandle};
pub(crate) use hours::{session_of, state_of};
pub(crate) use pen::{Pen, Unwritable};
pub(crate) use snapshot::Snapshot;
pub(crate) use writer::{Ended, STEP_MAX, open};

use apply::Why;
use checkpoint::Kept;
use recent::Recent;
use snapshot::LEVELS_MAX;

/// Prefix of the ids of expiry timers.
const EXPIRY_TIMER: &str = "expire/";

/// What a symbol's market is like.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    pub(crate) symbol: String,
    pub(crate) rules: Rules,
    pub(crate) schedule: Arc<Schedule>,
    /// Whether the symbol is still configured. If not, its orders can only leave.
    pub(crate) listed: bool,
    /// Events after which the desk is kept as a whole.
    pub(crate) checkpoint_events: usize,
}

/// One symbol's book and trades.
pub(crate) struct Desk {
    market: Market,
    book: Book,
    /// Trades in the book or waiting beside it, by order.
    trades: HashMap<Uuid, Trade>,
    /// Orders that may not come in.
    barred: HashSet<Uuid>,
    recent: Recent,
    /// The symbol's row, and how often it was written.
    row: SymbolRow,
    version: u64,
    /// How often the session has changed.
    sessions: u64,
    /// Expiries, openings and closings with a timer.
    armed: BTreeSet<SystemTime>,
    /// Those that need one.
    unarmed: BTreeSet<SystemTime>,
    /// The checkpoint there is.
    kept: Option<Kept>,
    /// Events since then.
    unkept: usize,
    /// When the last event happened that the desk was loaded from.
    latest: SystemTime,
}

// === impl Desk ===

impl Desk {
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            bids: self.book.depth(Side::Buy, LEVELS_MAX),
            asks: self.book.depth(Side::Sell, LEVELS_MAX),
            last_price: self.book.last_price(),
            venue_seq: self.book.venue_seq(),
            session: self.book.session(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.book.is_empty()
    }

    /// When the last event happened that the desk was loaded from: the venue's time goes on from
    /// there, whatever the clock of this process says.
    pub(crate) fn latest(&self) -> SystemTime {
        self.latest
    }

    pub(crate) fn digest(&self) -> String {
        self.book.digest()
    }

    pub(crate) fn trades(&self) -> &HashMap<Uuid, Trade> {
        &self.trades
    }

    /// What this desk must be told before it carries out `ask`. A `careful` desk takes nobody's
    /// word that an order is new.
    pub(crate) fn lacks(&self, ask: &Ask, careful: bool) -> Lack {
        match ask {
            Ask::Submit(created) if careful => match Uuid::try_parse(&created.order_id) {
                Ok(order_id) if !self.knows(order_id) => Lack::Trade(order_id),
                _ => Lack::Nothing,
            },
            Ask::Cancel(Cancel { order_id, .. }) | Ask::Replace(Replace { order_id, .. })
                if !self.trades.contains_key(order_id) && !self.barred.contains(order_id) =>
            {
                Lack::Trade(*order_id)
            }
            Ask::Replace(asked) => match self.trades.get(&asked.order_id) {
                // It may be filled by that, and closed if all is settled.
                Some(trade) if asked.quantity <= trade.executed => Lack::Settled(asked.order_id),
                _ => Lack::Nothing,
            },
            Ask::SetSession(SetSession {
                request_id: Some(request_id),
                ..
            }) => Lack::Request(*request_id),
            Ask::Submit(_) | Ask::Cancel(_) | Ask::Wake | Ask::SetSession(_) | Ask::Resume => {
                Lack::Nothing
            }
        }
    }

    fn knows(&self, order_id: Uuid) -> bool {
        self.trades.contains_key(&order_id) || self.recent.contains(order_id)
    }

    /// What has to be done before the next request.
    pub(crate) fn backlog(&self, at: SystemTime) -> Option<Command> {
        self.book.backlog(at)
    }

    /// Does a piece of the backlog.
    pub(crate) fn work_off(
        &mut self,
        command: &Command,
        pen: &mut Pen<'_>,
    ) -> Result<(), Unwritable> {
        // The backlog is about orders in the book, so nothing is rejected.
        for event in self.book.decide(pen.at, command).unwrap_or_default() {
            self.apply(event, pen, Why::Venue)?;
        }
        Ok(())
    }

    /// Carries a request out.
    pub(crate) fn carry_out(
        &mut self,
        ask: &Ask,
        cause: &Cause,
        told: Told,
        pen: &mut Pen<'_>,
    ) -> Result<Verdict, Unwritable> {
        match ask {
            Ask::Submit(created) => self.submit(created, cause, told, pen),
            Ask::Cancel(asked) => {
                pen.lead = Some((asked.order_id, cause.clone()));
                self.cancel(*asked, told, pen)
            }
            Ask::Replace(asked) => {
                pen.lead = Some((asked.order_id, cause.clone()));
                self.replace(*asked, told, pen)
            }
            Ask::Wake => Ok(Ok(None)),
            Ask::SetSession(asked) => self.set_session(asked, cause, told, pen),
            Ask::Resume => self.resume(cause, pen),
        }
    }

    fn submit(
        &mut self,
        created: &TradeCreatedEvent,
        cause: &Cause,
        told: Told,
        pen: &mut Pen<'_>,
    ) -> Result<Verdict, Unwritable> {
        let order_id = id(&created.order_id, "order_id")?;
        if self.knows(order_id) || told.finished_owner.is_some() {
            return Ok(Ok(Some(order_id)));
        }
        let trade = pen.begin(created, cause)?;
        if self.barred.remove(&order_id) {
            pen.batch.view(views::unbar(order_id));
            let why = "the order was cancelled before it reached the venue";
            self.refuse(trade, FailureReason::CancelledBeforeVenue, why, pen)?;
            return Ok(Ok(Some(order_id)));
        }
        match trade.book_terms(&self.market.schedule, self.market.rules.tick) {
            Err(why) => {
                self.refuse(trade, FailureReason::BadTerms, &why.to_string(), pen)?;
            }
            Ok(terms) => {
                self.trades.insert(order_id, trade);
                let command = Command::Submit(terms);
                // A new order is placed or refused, both of which are events.
                for event in self.book.decide(pen.at, &command).unwrap_or_default() {
                    self.apply(event, pen, Why::Venue)?;
                }
            }
        }
        Ok(Ok(Some(order_id)))
    }

    fn cancel(
        &mut self,
        asked: Cancel,
        told: Told,
        pen: &mut Pen<'_>,
    ) -> Result<Verdict, Unwritable> {
        let Cancel {
            order_id,
            user_id,
            reason,
        } = asked;
        let Some(trade) = self.trades.get(&order_id) else {
            return self.cancel_absent(order_id, user_id, told, pen);
        };
        if trade.user_id != user_id {
            return Ok(Err(NoEffect::NoSuchOrder));
        }
        let command = Command::Cancel { order_id };
        let events = self.book.decide(pen.at, &command);
        for event in events.map_err(|_| Unwritable::Stray(order_id))? {
            self.apply(event, pen, Why::Asked(reason))?;
        }
        Ok(Ok(Some(order_id)))
    }

    /// An order that is not in the book is finished, or must not come in.
    fn cancel_absent(
        &mut self,
        order_id: Uuid,
        user_id: Uuid,
        told: Told,
        pen: &mut Pen<'_>,
    ) -> Result<Verdict, Unwritable> {
        if self.barred.contains(&order_id) {
            return Ok(Ok(None));
        }
        // Finished in this very batch, so the store cannot know yet.
        let here = pen.batch.finished(order_id).map(|trade| trade.user_id);
        match here.or(told.finished_owner) {
            Some(owner) if owner == user_id => Ok(Ok(Some(order_id))),
            Some(_) => Ok(Err(NoEffect::NoSuchOrder)),
            None => {
                self.barred.insert(order_id);
                pen.batch.view(views::bar(&self.market.symbol, order_id)?);
                Ok(Ok(None))
            }
        }
    }

    fn replace(
        &mut self,
        asked: Replace,
        told: Told,
        pen: &mut Pen<'_>,
    ) -> Result<Verdict, Unwritable> {
        let order_id = asked.order_id;
        let Some(trade) = self.trades.get(&order_id) else {
            let here = pen.batch.finished(order_id).map(|trade| trade.user_id);
            let is_theirs = here.or(told.finished_owner) == Some(asked.user_id);
            return Ok(is_theirs
                .then_some(Some(order_id))
                .ok_or(NoEffect::NoSuchOrder));
        };
        if trade.user_id != asked.user_id {
            return Ok(Err(NoEffect::NoSuchOrder));
        }
        // Repeated: it was accepted before.
        if asked.revision <= trade.asked_revision() {
            return Ok(Ok(Some(order_id)));
        }
        // The venue was faster, and who asked has not heard of it yet.
        if asked.revision <= trade.revision {
            return Ok(Err(NoEffect::RevisionTaken));
        }
        let tick = self.market.rules.tick;
        let (quantity, stop) = (asked.quantity, asked.stop);
        let price = trade.price_in_tick(asked.price, tick);
        let command = Command::Replace {
            order_id,
            quantity,
            price,
            stop,
        };
        let events = match self.book.decide(pen.at, &command) {
            // Terms as they are already are accepted as well: the revision is a fact of its own.
            Ok(events) if events.is_empty() => vec![BookEvent::Replaced(Replacement {
                order_id,
                quantity,
                price,
                stop: self.book.order(order_id).and_then(|order| order.stop),
                keeps_priority: true,
            })],
            Ok(events) => events,
            Err(Rejection::Terms(refusal)) => return Ok(Err(refusal.into())),
            Err(Rejection::NotInBook) => return Err(Unwritable::Stray(order_id)),
        };
        let why = Why::Changed {
            order_id,
            revision: asked.revision,
            settled: told.settled,
        };
        for event in events {
            self.apply(event, pen, why)?;
        }
        Ok(Ok(Some(order_id)))
    }

    /// Everything a batch changes, as a commit; `None` if nothing.
    pub(crate) fn seal(
        &mut self,
        at: SystemTime,
        batch: &mut Batch,
    ) -> Result<Option<Commit>, Unwritable> {
        self.arm(at, batch);
        if batch.is_empty() {
            return Ok(None);
        }
        self.row.last_price = self.book.last_price();
        let row = views::write_symbol(&self.market.symbol, &self.row)?;
        batch.view(row.expect(self.version));
        self.version += 1;
        self.unkept += batch.events();
        Ok(Some(batch.take_commit(&self.trades)?))
    }

    /// Sets timers for what comes by time and has none.
    fn arm(&mut self, at: SystemTime, batch: &mut Batch) {
        let change = self.market.schedule.change_after(at);
        let change = change.filter(|due| self.market.listed && !self.armed.contains(due));
        self.unarmed.extend(change);
        for due in &self.unarmed {
            let nanos = timer::nanos(*due).unwrap_or_default();
            batch.timer(Timer {
                id: format!("{EXPIRY_TIMER}{}/{nanos}", self.market.symbol),
                due: *due,
                payload: self.market.symbol.clone().into_bytes(),
            });
        }
        self.armed.retain(|due| *due > at);
        self.armed.append(&mut self.unarmed);
    }
}

#[cfg(test)]
mod tests;
