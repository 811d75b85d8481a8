//! Commands: decide, commit, and decide again when overtaken.
//!
//! - here: locks and issues
//! - `withdrawing`: payouts
//! - `suspense`: what becomes of money in suspense
//! - `reversing`: taking movements back

mod reversing;
mod suspense;
mod withdrawing;

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use outcry_contracts::funds::v1::DepositMethod;
use outcry_events::Cause;
use outcry_service::backoff::Backoff;
use outcry_service::{CommandError, Context};
use outcry_store::{Answer, Commit, CommitError, StoreError};
use tokio::sync::{Mutex, MutexGuard};

use crate::documents::{self, Booking, BookingError, Kept, version};
use crate::domain::deposit::{Incoming, deposit};
use crate::domain::locking::{self, Need};
use crate::domain::{Account, Asset, Lock, Reason, Rejection, Slot, Value};

pub(crate) use withdrawing::Ended;

/// Tries of a command whose account settlements change at the same time.
const ATTEMPTS: u32 = 20;

/// Waits between those tries: about the time of one commit.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(1),
    most: Duration::from_millis(50),
};

/// Commands of this process on the same account take turns, so that they do not overtake each
/// other in vain. Accounts share a turn now and then; more turns would hardly be felt.
const TURNS: usize = 64;

/// Why a command was not carried out.
pub(crate) type DeskError = CommandError<Rejection>;

/// Carries out commands.
pub(crate) struct Desk {
    ctx: Context,
    turns: [Mutex<()>; TURNS],
}

/// What a try decided, to be committed.
type Tried<T> = Result<(T, Commit), DeskError>;

// === impl Desk ===

impl Desk {
    pub(crate) fn new(ctx: Context) -> Desk {
        Desk {
            ctx,
            turns: std::array::from_fn(|_| Mutex::new(())),
        }
    }

    pub(crate) fn ctx(&self) -> &Context {
        &self.ctx
    }

    /// Locks what an order needs.
    pub(crate) async fn lock(
        &self,
        user_id: &str,
        need: &Need,
        cause: &Cause,
    ) -> Result<Lock, DeskError> {
        let _turn = self.turn(user_id).await;
        for attempt in 1..=ATTEMPTS {
            let (lock, commit) = self.try_lock(user_id, need, cause).await?;
            if self.committed(user_id, commit, attempt).await? {
                return Ok(lock);
            }
        }
        Err(overtaken(user_id))
    }

    async fn try_lock(&self, user_id: &str, need: &Need, cause: &Cause) -> Tried<Lock> {
        let (account, slot) = self.account_and_slot(user_id, &need.order_id).await?;
        let slot_version = version(slot.as_ref());
        let slot = slot.map(|kept| kept.document);
        let locked = locking::lock(account.document, slot, need)?;
        let mut booking = Booking::new(&self.ctx);
        if locked.changed {
            booking.slot(slot_version, &Slot::Lock(locked.lock.clone()))?;
        }
        if let Some(event) = locked.event {
            booking.account(account.version, &locked.account, &event, cause)?;
        }
        Ok((locked.lock, booking.commit()))
    }

    /// Gives back what is locked for an order that never was at the venue, or bars it from locking.
    /// The lock, if there was one.
    pub(crate) async fn release(
        &self,
        user_id: &str,
        order_id: &str,
        reason: Reason,
        cause: &Cause,
    ) -> Result<Option<Lock>, DeskError> {
        let _turn = self.turn(user_id).await;
        for attempt in 1..=ATTEMPTS {
            let (lock, commit) = self.try_release(user_id, order_id, reason, cause).await?;
            if self.committed(user_id, commit, attempt).await? {
                return Ok(lock);
            }
        }
        Err(overtaken(user_id))
    }

    async fn try_release(
        &self,
        user_id: &str,
        order_id: &str,
        reason: Reason,
        cause: &Cause,
    ) -> Tried<Option<Lock>> {
        let mut booking = Booking::new(&self.ctx);
        let slot = documents::slot(self.ctx.store.as_ref(), order_id)
            .await
            .map_err(|source| store_failed(order_id, source))?;
        let Some(slot) = slot else {
            let barred = Slot::Barred {
                lock_id: order_id.to_owned(),
                user_id: user_id.to_owned(),
            };
            booking.slot(0, &barred)?;
            return Ok((None, booking.commit()));
        };
        if slot.document.user_id() != user_id {
            return Err(Rejection::LockMismatch.into());
        }
        let Slot::Lock(lock) = slot.document else {
            return Ok((None, booking.commit()));
        };
        if !lock.is_open() {
            return Ok((Some(lock), booking.commit()));
        }
        let account = self.account(user_id).await?;
        let ended = locking::release(account.document, lock, reason)?;
        booking.slot(slot.version, &Slot::Lock(ended.lock.clone()))?;
        if let Some((after, event)) = ended.released {
            booking.account(account.version, &after, &event.into(), cause)?;
        }
        Ok((Some(ended.lock), booking.commit()))
    }

    /// Credits newly issued shares. What `answer` makes of the account after it goes into the same
    /// commit.
    pub(crate) async fn issue<Reply>(
        &self,
        user_id: &str,
        shares: &Value,
        reference: &str,
        cause: &Cause,
        answer: impl Fn(&Account) -> (Reply, Option<Answer>),
    ) -> Result<Reply, DeskError> {
        let _turn = self.turn(user_id).await;
        for attempt in 1..=ATTEMPTS {
            let (after, mut commit) = self.try_issue(user_id, shares, reference, cause).await?;
            let (reply, answered) = answer(&after);
            commit.answered = answered;
            if self.committed(user_id, commit, attempt).await? {
                return Ok(reply);
            }
        }
        Err(overtaken(user_id))
    }

    async fn try_issue(
        &self,
        user_id: &str,
        shares: &Value,
        reference: &str,
        cause: &Cause,
    ) -> Tried<Account> {
        if shares.amount() <= 0 {
            return Err(Rejection::NotPositive.into());
        }
        let account = self.account(user_id).await?;
        let credit = issue_credit(shares.asset(), reference);
        let known = documents::is_credited(self.ctx.store.as_ref(), &credit).await;
        if known.map_err(|source| store_failed(user_id, source))? {
            return Err(Rejection::ReferenceUsed.into());
        }
        let incoming = Incoming::of(shares.clone(), DepositMethod::Issue, reference);
        let booked = deposit(account.document, &incoming).map_err(Rejection::from)?;
        let mut booking = Booking::new(&self.ctx);
        booking.credited(&credit, user_id)?;
        booking.account(account.version, &booked.account, &booked.event, cause)?;
        Ok((booked.account, booking.commit()))
    }

    async fn account(&self, user_id: &str) -> Result<Kept<Account>, DeskError> {
        documents::account(self.ctx.store.as_ref(), user_id)
            .await
            .map_err(|source| store_failed(user_id, source))?
            .ok_or_else(|| Rejection::AccountNotReady.into())
    }

    async fn account_and_slot(
        &self,
        user_id: &str,
        lock_id: &str,
    ) -> Result<(Kept<Account>, Option<Kept<Slot>>), DeskError> {
        let store = self.ctx.store.as_ref();
        let slot = async {
            documents::slot(store, lock_id)
                .await
                .map_err(|source| store_failed(lock_id, source))
        };
        tokio::try_join!(self.account(user_id), slot)
    }

    /// Commits a try. False when it was overtaken and is to be decided again.
    async fn committed(
        &self,
        user_id: &str,
        commit: Commit,
        attempt: u32,
    ) -> Result<bool, DeskError> {
        if commit.is_empty() {
            return Ok(true);
        }
        match self.ctx.store.commit(commit).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(_)) => {
                tokio::time::sleep(BACKOFF.after(attempt)).await;
                Ok(false)
            }
            Err(CommitError::Duplicate(_)) => Err(CommandError::Duplicate),
            Err(CommitError::Invalid(source)) => Err(CommandError::Invalid {
                stream: account_stream(user_id),
                source,
            }),
            Err(CommitError::Store(source)) => Err(store_failed(user_id, source)),
        }
    }

    async fn turn(&self, user_id: &str) -> MutexGuard<'_, ()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(user_id);
        // The remainder is below TURNS, so it fits and there is such a turn.
        let turn = (hash % TURNS as u64) as usize;
        self.turns[turn].lock().await
    }
}

/// What an issue is remembered under.
fn issue_credit(asset: &Asset, reference: &str) -> String {
    format!("issue:{asset}:{reference}")
}

fn overtaken(user_id: &str) -> DeskError {
    CommandError::Conflict {
        stream: account_stream(user_id),
    }
}

fn account_stream(user_id: &str) -> String {
    format!("account-{user_id}")
}

fn store_failed(what: &str, source: StoreError) -> DeskError {
    CommandError::Store {
        stream: what.to_owned(),
        source,
    }
}

impl From<Rejection> for DeskError {
    fn from(rejection: Rejection) -> DeskError {
        CommandError::Rejected(rejection)
    }
}

impl From<BookingError> for DeskError {
    fn from(error: BookingError) -> DeskError {
        match error {
            BookingError::Store(source) => CommandError::Prepare(source),
            BookingError::Seal(source) => CommandError::Seal {
                stream: "an account".to_owned(),
                source,
            },
            BookingError::Breach(breach) => CommandError::Rejected(breach.into()),
        }
    }
}
