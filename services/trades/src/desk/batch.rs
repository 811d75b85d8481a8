//! What several commands of one desk change, to be committed as one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use outcry_events::SealedEvent;
use outcry_store::{Append, Commit, Timer, TimerWrite, ViewWrite};
use uuid::Uuid;

use super::pen::Unwritable;
use crate::trade::Trade;
use crate::views::{self, SessionRequest, TapeRow};

/// The changes of a batch, in the order in which they happened.
#[derive(Default)]
pub(crate) struct Batch {
    commit: Commit,
    events: usize,
    /// Something changed that is neither event nor view: the symbol's row.
    row_changed: bool,
    /// Orders whose trades changed and are still open.
    touched: BTreeSet<Uuid>,
    /// Trades that left the book, by order.
    finished: BTreeMap<Uuid, Trade>,
    /// Requests with an id that were carried out.
    requests: BTreeMap<Uuid, SessionRequest>,
    /// Stream and sequence of the last event.
    last: Option<(String, u64)>,
}

impl Batch {
    /// Events so far.
    pub(crate) fn events(&self) -> usize {
        self.events
    }

    /// Adds an event behind all others.
    pub(crate) fn append(&mut self, sealed: SealedEvent) {
        self.events += 1;
        let stream = sealed.stream();
        self.last = Some((stream.clone(), sealed.sequence()));
        match self.commit.appends.last_mut() {
            Some(last) if last.stream == stream => last.events.push(sealed),
            _ => self.commit.appends.push(Append {
                stream,
                expected: sealed.sequence() - 1,
                events: vec![sealed],
            }),
        }
    }

    /// The trade of this order has changed.
    pub(crate) fn touch(&mut self, order_id: Uuid) {
        self.touched.insert(order_id);
    }

    /// This trade has changed for the last time here.
    pub(crate) fn finish(&mut self, trade: Trade) {
        self.touched.remove(&trade.order_id);
        self.finished.insert(trade.order_id, trade);
    }

    /// The trade of an order, if it left the book in this batch.
    pub(crate) fn finished(&self, order_id: Uuid) -> Option<&Trade> {
        self.finished.get(&order_id)
    }

    /// The request with this id, if it was carried out in this batch.
    pub(crate) fn request(&self, request_id: Uuid) -> Option<&SessionRequest> {
        self.requests.get(&request_id)
    }

    /// A request with an id is carried out.
    pub(crate) fn note_request(
        &mut self,
        request_id: Uuid,
        request: SessionRequest,
    ) -> Result<(), Unwritable> {
        self.commit.views.push(request.write(request_id)?);
        self.requests.insert(request_id, request);
        Ok(())
    }

    /// Stream and sequence of the last event, if there is one.
    pub(crate) fn last(&self) -> Option<&(String, u64)> {
        self.last.as_ref()
    }

    /// Adds a match to the tape.
    pub(crate) fn print(&mut self, row: &TapeRow) -> Result<(), Unwritable> {
        self.commit.views.push(row.write()?);
        Ok(())
    }

    /// Changes a read model other than trades and tape.
    pub(crate) fn view(&mut self, write: ViewWrite) {
        self.commit.views.push(write);
    }

    /// The symbol's row has changed.
    pub(crate) fn row_changed(&mut self) {
        self.row_changed = true;
    }

    /// Sets a timer.
    pub(crate) fn timer(&mut self, timer: Timer) {
        self.commit.timers.push(TimerWrite::Set(timer));
    }

    /// Whether nothing has changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.commit.is_empty() && !self.row_changed
    }

    /// The commit, with the trades that changed as they are now; what is left is what the answers
    /// need.
    pub(crate) fn take_commit(
        &mut self,
        open: &HashMap<Uuid, Trade>,
    ) -> Result<Commit, Unwritable> {
        let mut commit = std::mem::take(&mut self.commit);
        let open = self
            .touched
            .iter()
            .filter_map(|order_id| open.get(order_id));
        for trade in open.chain(self.finished.values()) {
            commit.views.push(views::write_trade(trade)?);
        }
        Ok(commit)
    }
}
