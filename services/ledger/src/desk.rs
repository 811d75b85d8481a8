//! The end of the journal, and what is booked behind it.

use std::collections::{BTreeMap, HashSet};

use outcry_events::SealedEvent;
use outcry_service::Fault;
use outcry_store::timer::nanos;
use outcry_store::{Commit, Store, StoreError};
use tracing::debug;

use crate::books::{self, Balance};
use crate::domain::{AccountName, Bookable, Head, Posting, Waiting, record_covered};

/// Postings that may wait at once. Those of events on their way at the same time do, for a moment;
/// so many mean that something is wrong, and the next one is for a person to look at.
const WAITING_MAX: usize = 1000;

/// The end of the journal as it is once all that was booked here is written, in the order of booking.
pub(crate) struct Desk<'a> {
    store: &'a dyn Store,
    head: Head,
    /// Of the row of the head: each event that is booked or waits writes it once.
    version: u64,
    waiting: Vec<Waiting>,
    /// Of the accounts seen so far.
    balances: BTreeMap<AccountName, Balance>,
    /// What was booked here, and is not written yet.
    keys: HashSet<String>,
}

// === impl Desk ===

impl<'a> Desk<'a> {
    pub(crate) async fn open(store: &'a dyn Store) -> Result<Desk<'a>, StoreError> {
        // The end first: whatever else is read belongs to this end or to a later one, and then the
        // commit is a conflict.
        let (head, version) = books::head(store).await?;
        Ok(Desk {
            store,
            head,
            version,
            waiting: books::waiting(store, WAITING_MAX).await?,
            balances: BTreeMap::new(),
            keys: HashSet::new(),
        })
    }

    /// What an event leads to. After a fault nothing more can be booked here.
    pub(crate) async fn book(&mut self, event: &SealedEvent) -> Result<Commit, Fault> {
        let posting = Bookable::open(event)
            .and_then(|bookable| bookable.posting(event.id(), event.sequence()))
            .map_err(Fault::park)?;
        let Some(posting) = posting else {
            return Ok(Commit::default());
        };
        self.is_new(&posting, event).await?;
        let at_ns =
            nanos(event.occurred_at()).ok_or_else(|| Fault::park("the event's time is no time"))?;
        let mut waiting = std::mem::take(&mut self.waiting);
        let already = waiting.len();
        let key = posting.key.clone();
        let new = Waiting {
            posting,
            event_id: event.id(),
            at_ns,
        };
        waiting.insert(0, new);
        let postings = waiting.iter().map(|one| &one.posting);
        books::read_balances(self.store, postings, &mut self.balances).await?;
        let held = self
            .balances
            .iter()
            .map(|(account, kept)| (account.clone(), kept.balance));
        let recorded = record_covered(self.head, waiting, held.collect()).map_err(Fault::park)?;
        if recorded.waiting.len() > WAITING_MAX {
            return Err(Fault::park(format!("{already} events wait to be covered")));
        }
        if !recorded.waiting.is_empty() {
            debug!(
                waiting = recorded.waiting.len(),
                "events wait to be covered"
            );
        }
        if let Some(last) = recorded.transactions.last() {
            self.head = last.head();
        }
        let end = (&self.head, self.version);
        let views = books::writes(event.id(), &recorded, end, &mut self.balances)?;
        self.version += 1;
        self.waiting = recorded.waiting;
        self.keys.insert(key);
        Ok(Commit {
            views,
            ..Commit::default()
        })
    }

    /// Whether nothing is booked or waits under the key of a posting.
    async fn is_new(&self, posting: &Posting, event: &SealedEvent) -> Result<(), Fault> {
        let key = &posting.key;
        if let Some(number) = books::number_of(self.store, key).await? {
            let booked = books::transaction(self.store, number).await?;
            return match booked {
                Some(booked) if booked.event_id == event.id() => {
                    Err(Fault::discard("the event is booked already"))
                }
                _ => Err(Fault::park(format!(
                    "key {key} is booked for another event as number {number}"
                ))),
            };
        }
        if self.keys.contains(key) {
            return Err(Fault::park(format!("key {key} was booked just now")));
        }
        if self.waiting.iter().any(|one| &one.posting.key == key) {
            return Err(Fault::park(format!(
                "key {key} waits to be booked for another event"
            )));
        }
        Ok(())
    }
}
