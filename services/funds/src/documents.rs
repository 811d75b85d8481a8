//! What is kept, and how a decision becomes a commit.
//!
//! Accounts and locks are documents, each written only if nobody else wrote it meanwhile, in the
//! commit that appends the events which changed it. So a document always is what the events say,
//! and no history has to be read to decide.

use std::time::{Duration, SystemTime};

use outcry_contracts::funds::v1::FundsSettledEvent;
use outcry_events::{Cause, EventSet, SealError, SealedEvent, Stamp};
use outcry_service::{Context, Fault, in_this_span};
use outcry_store::timer::nanos;
use outcry_store::{Append, Commit, Scan, Store, StoreError, Timer, TimerWrite, ViewWrite};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::lock::Phase;
use crate::domain::movement::{Movement, movements_of};
use crate::domain::settlement::{Match, MatchSide};
use crate::domain::{
    Account, AccountEvent, Breach, SettlementEvent, Slot, SuspenseItem, Withdrawal,
};
use crate::views;

/// View of [`Account`] documents, by user id.
pub const ACCOUNTS: &str = "accounts";

/// View of [`Slot`] documents, by order id or withdrawal id.
pub const LOCKS: &str = "locks";

/// Order of [`LOCKS`] by user, of those that are not over.
pub const OPEN_LOCKS: &str = "open";

/// View of [`MatchSide`]s whose other side is not known yet, by match id.
pub const PENDING: &str = "pending_matches";

/// View of references that were credited, of captures that came in, and of events that were taken
/// back, so that each is once.
pub const DEPOSITS: &str = "deposits";

/// View of [`Withdrawal`] documents, by id.
pub const WITHDRAWALS: &str = "withdrawals";

/// Order of [`WITHDRAWALS`] by user and time.
pub const USERS_WITHDRAWALS: &str = "user";

/// View of [`SuspenseItem`]s, by payment and number.
pub const SUSPENSE: &str = "suspense";

/// Order of [`SUSPENSE`] by time.
pub const ALL_SUSPENSE: &str = "time";

/// Order of [`SUSPENSE`] by time, of what is not decided.
pub const OPEN_SUSPENSE: &str = "open";

/// Captures of one payment that may be in suspense: a provider that sends more is broken, and the
/// next one is for a person to look at.
pub const SUSPENSE_MAX: usize = 100;

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

/// Reads a payout.
pub(crate) async fn withdrawal(
    store: &dyn Store,
    withdrawal_id: &str,
) -> Result<Option<Kept<Withdrawal>>, StoreError> {
    read(store, WITHDRAWALS, withdrawal_id).await
}

/// Reads what was ever in suspense of a payment, in the order it came in.
pub(crate) async fn suspense_of(
    store: &dyn Store,
    payment_id: &str,
) -> Result<Vec<Kept<SuspenseItem>>, StoreError> {
    let scan = Scan::new(SUSPENSE)
        .prefix(format!("{payment_id}/"))
        .limit(SUSPENSE_MAX);
    let rows = store.scan(&scan).await?;
    rows.iter()
        .map(|row| {
            Ok(Kept {
                document: row.decode()?,
                version: row.version,
            })
        })
        .collect()
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

    /// Keeps an account as it is after `event`, which is appended to its stream.
    pub(crate) fn account(
        &mut self,
        version: u64,
        account: &Account,
        event: &AccountEvent,
        cause: &Cause,
    ) -> Result<SealedEvent, BookingError> {
        let fact = self.seal(event, account.sequence, cause)?;
        self.list(&fact, &[event.movement()?], event.reference())?;
        self.commit.appends.push(Append {
            stream: fact.stream(),
            expected: account.sequence - 1,
            events: vec![fact.clone()],
        });
        self.standing(version, account)?;
        Ok(fact)
    }

    /// Keeps an account that changed without an event of its own stream.
    pub(crate) fn standing(&mut self, version: u64, account: &Account) -> Result<(), BookingError> {
        self.put(ACCOUNTS, &account.user_id, version, account)
    }

    /// The time of everything in the commit, in nanoseconds since 1970.
    pub(crate) fn now_ns(&self) -> i64 {
        nanos(self.now).unwrap_or_default()
    }

    /// Keeps a payout.
    pub(crate) fn withdrawal(
        &mut self,
        version: u64,
        payout: &Withdrawal,
    ) -> Result<(), BookingError> {
        let id = &payout.withdrawal_id;
        // Ids grow with time, so they order the rows.
        let place = format!("{}/{id}", payout.user_id);
        let write = ViewWrite::put(WITHDRAWALS, id, payout)?.expect(version);
        let write = write.index(USERS_WITHDRAWALS, place);
        self.commit.views.push(write);
        Ok(())
    }

    /// Keeps money in suspense.
    pub(crate) fn suspense(
        &mut self,
        version: u64,
        item: &SuspenseItem,
    ) -> Result<(), BookingError> {
        let key = format!("{}/{:06}", item.payment_id, item.number);
        let time = format!("{:020}", item.at_ns);
        let mut write = ViewWrite::put(SUSPENSE, key, item)?.expect(version);
        if item.outcome.is_none() {
            write = write.index(OPEN_SUSPENSE, time.clone());
        }
        self.commit.views.push(write.index(ALL_SUSPENSE, time));
        Ok(())
    }

    /// Sets a timer.
    pub(crate) fn timer(&mut self, id: String, after: Duration) {
        let timer = Timer {
            id,
            due: self.now + after,
            payload: Vec::new(),
        };
        self.commit.timers.push(TimerWrite::Set(timer));
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
            cause: &in_this_span(cause.clone()),
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
