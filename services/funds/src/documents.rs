//! What is kept, and how a decision becomes a commit.
//!
//! Accounts and locks are documents, each written only if nobody else wrote it meanwhile, in the
//! commit that appends the events which changed it. So a document always is what the events say,
//! and no history has to be read to decide.

use std::time::SystemTime;

use outcry_contracts::funds::v1::FundsSettledEvent;
use outcry_events::{Cause, EventSet, SealError, SealedEvent, Stamp};
use outcry_service::{Context, Fault};
use outcry_store::{Append, Commit, Store, StoreError, ViewWrite};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::lock::Phase;
use crate::domain::movement::{Movement, movements_of};
use crate::domain::settlement::{Match, MatchSide};
use crate::domain::{Account, AccountEvent, Breach, SettlementEvent, Slot};
use crate::views;

/// View of [`Account`] documents, by user id.
pub const ACCOUNTS: &str = "accounts";

/// View of [`Slot`] documents, by order id or withdrawal id.
pub const LOCKS: &str = "locks";

/// Order of [`LOCKS`] by user, of those that are not over.
pub const OPEN_LOCKS: &str = "open";

/// View of [`MatchSide`]s whose other side is not known yet, by match id.
pub const PENDING: &str = "pending_matches";

/// View of references that were credited, so that each is once.
pub const DEPOSITS: &str = "deposits";

/// A document as it was read.
#[derive(Debug, Clone)]
pub struct Kept<T> {
    /// The document.
    pub document: T,
    /// How often it was written.
    pub version: u64,
}

/// A commit in the making.
pub(crate) struct Booking<'a> {
    ctx: &'a Context,
    now: SystemTime,
    commit: Commit,
}

/// Why a commit cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BookingError {
    /// A document cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An event breaks the contract's rules.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// An event says nothing that can be listed.
    #[error(transparent)]
    Breach(#[from] Breach),
}

impl From<BookingError> for Fault {
    fn from(error: BookingError) -> Fault {
        match error {
            BookingError::Store(error) => error.into(),
            BookingError::Seal(error) => error.into(),
            BookingError::Breach(error) => Fault::park(error),
        }
    }
}

/// Reads an account.
///
/// # Errors
/// The store failed.
pub async fn account(
    store: &dyn Store,
    user_id: &str,
) -> Result<Option<Kept<Account>>, StoreError> {
    read(store, ACCOUNTS, user_id).await
}

/// Reads what is known under an order id or withdrawal id.
///
/// # Errors
/// The store failed.
pub async fn slot(store: &dyn Store, lock_id: &str) -> Result<Option<Kept<Slot>>, StoreError> {
    read(store, LOCKS, lock_id).await
}

/// Reads the side of a match that came first.
pub(crate) async fn pending(
    store: &dyn Store,
    match_id: &str,
) -> Result<Option<Kept<MatchSide>>, StoreError> {
    read(store, PENDING, match_id).await
}

/// Whether a reference was credited.
pub(crate) async fn is_credited(store: &dyn Store, reference: &str) -> Result<bool, StoreError> {
    Ok(store.view(DEPOSITS, reference).await?.is_some())
}

async fn read<T: DeserializeOwned>(
    store: &dyn Store,
    view: &str,
    key: &str,
) -> Result<Option<Kept<T>>, StoreError> {
    let Some(row) = store.view(view, key).await? else {
        return Ok(None);
    };
    Ok(Some(Kept {
        document: row.decode()?,
        version: row.version,
    }))
}

/// Version of a document that may not be there.
pub(crate) fn version<T>(kept: Option<&Kept<T>>) -> u64 {
    kept.map_or(0, |kept| kept.version)
}

// === impl Booking ===

impl<'a> Booking<'a> {
    /// An empty commit.
    pub(crate) fn new(ctx: &'a Context) -> Booking<'a> {
        Booking {
            ctx,
            now: ctx.clock.now(),
            commit: Commit::default(),
        }
    }

    /// The commit.
    pub(crate) fn commit(self) -> Commit {
        self.commit
    }

    /// Keeps an account as it is after `events`, which are appended to its stream: the first is
    /// caused by `cause`, each other by the one before.
    pub(crate) fn account(
        &mut self,
        version: u64,
        account: &Account,
        events: &[AccountEvent],
        cause: &Cause,
    ) -> Result<(), BookingError> {
        let mut sequence = account.sequence - events.len() as u64;
        let expected = sequence;
        let mut cause = cause.clone();
        let mut sealed = Vec::with_capacity(events.len());
        for event in events {
            sequence += 1;
            let fact = self.seal(event, sequence, &cause)?;
            cause.causation_id = Some(fact.id());
            self.list(&fact, &[event.movement()?], event.reference())?;
            sealed.push(fact);
        }
        if let Some(first) = sealed.first() {
            self.commit.appends.push(Append {
                stream: first.stream(),
                expected,
                events: sealed,
            });
        }
        self.put(ACCOUNTS, &account.user_id, version, account)
    }

    /// Keeps a lock.
    pub(crate) fn slot(&mut self, version: u64, slot: &Slot) -> Result<(), BookingError> {
        let mut write = ViewWrite::put(LOCKS, slot.lock_id(), slot)?.expect(version);
        if let Slot::Lock(lock) = slot
            && lock.phase != Phase::Closed
        {
            let place = format!("{}/{}", lock.user_id, lock.lock_id);
            write = write.index(OPEN_LOCKS, place);
        }
        self.commit.views.push(write);
        Ok(())
    }

    /// Keeps the first side of a match.
    pub(crate) fn pending(&mut self, side: &MatchSide) -> Result<(), BookingError> {
        self.put(PENDING, &side.match_id, 0, side)
    }

    /// Appends a settlement, which belongs to the taker's flow, and forgets the side that waited.
    pub(crate) fn settlement(
        &mut self,
        waited: u64,
        matched: &Match,
        event: FundsSettledEvent,
        actor: &str,
    ) -> Result<(), BookingError> {
        let movements = movements_of(&event)?;
        let match_id = event.match_id.clone();
        let taker = matched.taker();
        let cause = Cause {
            correlation_id: taker.correlation_id,
            causation_id: Some(taker.event_id),
            actor: actor.to_owned(),
            traceparent: taker.traceparent.clone(),
        };
        let fact = self.seal(&SettlementEvent::from(event), 1, &cause)?;
        let (buyer, seller) = movements.split_at(2);
        self.list(&fact, buyer, &match_id)?;
        self.list(&fact, seller, &match_id)?;
        self.commit.appends.push(Append {
            stream: fact.stream(),
            expected: 0,
            events: vec![fact],
        });
        let done = ViewWrite::delete(PENDING, match_id).expect(waited);
        self.commit.views.push(done);
        Ok(())
    }

    /// Remembers that a reference is credited; a commit that credits it again is a conflict.
    pub(crate) fn credited(&mut self, reference: &str, user_id: &str) -> Result<(), BookingError> {
        self.put(DEPOSITS, reference, 0, &user_id)
    }

    fn put(
        &mut self,
        view: &'static str,
        key: &str,
        version: u64,
        document: &impl Serialize,
    ) -> Result<(), BookingError> {
        let write = ViewWrite::put(view, key, document)?.expect(version);
        self.commit.views.push(write);
        Ok(())
    }

    fn seal(
        &self,
        event: &impl EventSet,
        sequence: u64,
        cause: &Cause,
    ) -> Result<SealedEvent, SealError> {
        event.seal(Stamp {
            event_id: self.ctx.clock.new_id(),
            sequence,
            occurred_at: self.now,
            recorded_at: self.now,
            cause,
        })
    }

    /// Adds what an event changed for one user to that user's listing.
    fn list(
        &mut self,
        event: &SealedEvent,
        movements: &[Movement],
        reference: &str,
    ) -> Result<(), BookingError> {
        if let Some(write) = views::listed(event, movements, reference)? {
            self.commit.views.push(write);
        }
        Ok(())
    }
}
