//! What the events of others lead to.

use async_trait::async_trait;
use outcry_contracts::Event;
use outcry_contracts::funds::v1::DepositMethod;
use outcry_contracts::orders::v1::{
    OrderCancelledEvent, OrderExpiredEvent, OrderFilledEvent, OrderRejectedEvent, OrderStatus,
};
use outcry_contracts::payments::v1::{PaymentFailedEvent, PaymentSuccessEvent};
use outcry_contracts::trades::v1::TradeExecutedEvent;
use outcry_contracts::users::v1::{UserCreatedEvent, UserStatusChangedEvent};
use outcry_events::money::Amount;
use outcry_events::{Cause, SealedEvent};
use outcry_service::{Context, Fault, GroupSpec, Reaction, Unknown};
use outcry_store::Commit;
use outcry_store::timer::nanos;

use crate::NAME;
use crate::documents::{self, Booking, Kept, version};
use crate::domain::deposit::{Incoming, deposit};
use crate::domain::lock::Slot;
use crate::domain::locking::end;
use crate::domain::settlement::{Match, MatchSide, Party, SideSettled, settle};
use crate::domain::suspense::foreign;
use crate::domain::{Account, Breach, Ending, Purpose, Reason, Standing, SuspenseItem, Value};

/// Who acts when nobody asks.
pub(crate) const ACTOR: &str = "service:funds";

/// Topics it consumes.
pub const CONSUMES: &[&str] = &[
    UserCreatedEvent::TOPIC,
    UserStatusChangedEvent::TOPIC,
    PaymentSuccessEvent::TOPIC,
    PaymentFailedEvent::TOPIC,
    TradeExecutedEvent::TOPIC,
    OrderFilledEvent::TOPIC,
    OrderCancelledEvent::TOPIC,
    OrderExpiredEvent::TOPIC,
    OrderRejectedEvent::TOPIC,
];

/// The consumer of funds.
pub(crate) struct Reactions {
    ctx: Context,
}

/// The end of an order.
struct OrderEnd {
    order_id: String,
    user_id: String,
    cumulative_quantity: i64,
    reason: Reason,
}

/// An account for which an event came before the news of its user.
#[derive(Debug, thiserror::Error)]
#[error("the account of {user_id} is not open yet")]
struct NotOpen {
    user_id: String,
}

#[async_trait]
impl Reaction for Reactions {
    fn group(&self) -> GroupSpec {
        // Sums do not mind the order: the sides of a match, matches of an order and payments of a user may come in any.
        GroupSpec::new(NAME, CONSUMES, Unknown::Park).by_aggregate()
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        if event.is::<TradeExecutedEvent>() {
            return self.executed(event, &event.payload()?).await;
        }
        if let Some(ended) = OrderEnd::read(event)? {
            return self.order_ended(event, &ended).await;
        }
        if event.is::<UserCreatedEvent>() {
            return self.user_created(&event.payload()?).await;
        }
        if event.is::<UserStatusChangedEvent>() {
            return self.status_changed(&event.payload()?).await;
        }
        if event.is::<PaymentSuccessEvent>() {
            return self.paid(event, &event.payload()?).await;
        }
        if event.is::<PaymentFailedEvent>() {
            return self.payment_failed(event, &event.payload()?).await;
        }
        // An order that is partly filled: nothing ends.
        Ok(Commit::default())
    }
}

// === impl Reactions ===

impl Reactions {
    pub(crate) fn new(ctx: Context) -> Reactions {
        Reactions { ctx }
    }

    async fn user_created(&self, event: &UserCreatedEvent) -> Result<Commit, Fault> {
        let known = documents::account(self.ctx.store.as_ref(), &event.user_id).await?;
        let mut booking = Booking::new(&self.ctx);
        if known.is_none() {
            booking.standing(0, &Account::open(&event.user_id))?;
        }
        Ok(booking.commit())
    }

    async fn status_changed(&self, event: &UserStatusChangedEvent) -> Result<Commit, Fault> {
        let standing = Standing::of(event.new_status())
            .ok_or_else(|| Fault::park("the new status says nothing"))?;
        let mut account = self.account(&event.user_id).await?;
        account.document.standing = standing;
        let mut booking = Booking::new(&self.ctx);
        booking.standing(account.version, &account.document)?;
        Ok(booking.commit())
    }

    /// Credits a captured payment, once per payment.
    ///
    /// Users and payments come on their own ways, whose delays differ by minutes when one of them
    /// is held up. Whoever has paid is a user, so the payment opens the account when it comes first.
    async fn paid(
        &self,
        event: &SealedEvent,
        payment: &PaymentSuccessEvent,
    ) -> Result<Commit, Fault> {
        let credit = format!("pay:{}", payment.payment_id);
        if documents::is_credited(self.ctx.store.as_ref(), &credit).await? {
            return Err(Fault::discard("the payment is credited already"));
        }
        let amount = Amount::from_required(payment.amount.as_ref()).map_err(Fault::park)?;
        let known = documents::account(self.ctx.store.as_ref(), &payment.user_id).await?;
        let account_version = version(known.as_ref());
        let account = known.map_or_else(|| Account::open(&payment.user_id), |kept| kept.document);
        let capture = capture_of(&payment.payment_id, &payment.provider_reference);
        self.not_in_yet(&capture).await?;
        let (value, method) = (Value::cash(amount), DepositMethod::Payment);
        let incoming = Incoming::of(value, method, &payment.payment_id);
        let booked = deposit(account, &incoming).map_err(Fault::park)?;
        let mut booking = Booking::new(&self.ctx);
        booking.credited(&credit, &payment.user_id)?;
        booking.credited(&capture, &payment.user_id)?;
        let cause = event.cause(ACTOR);
        booking.account(account_version, &booked.account, &booked.event, &cause)?;
        Ok(booking.commit())
    }

    /// Keeps what was captured for a payment that failed, until an operator decides about it.
    ///
    /// That capture is done with: another one of the same payment may still be the right one, and
    /// is credited like any other then.
    async fn payment_failed(
        &self,
        event: &SealedEvent,
        payment: &PaymentFailedEvent,
    ) -> Result<Commit, Fault> {
        let Some(captured) = &payment.captured else {
            return Ok(Commit::default());
        };
        let (currency, amount) = foreign(captured).map_err(Fault::park)?;
        if !amount.is_positive() {
            return Err(Fault::park("less than something was captured"));
        }
        let capture = match payment.provider_reference.as_str() {
            "" => capture_of(&payment.payment_id, &event.id().to_string()),
            reference => capture_of(&payment.payment_id, reference),
        };
        self.not_in_yet(&capture).await?;
        let store = self.ctx.store.as_ref();
        let before = documents::suspense_of(store, &payment.payment_id).await?;
        if before.len() >= documents::SUSPENSE_MAX {
            return Err(Fault::park(format!(
                "{} captures of the payment are in suspense",
                before.len()
            )));
        }
        let item = SuspenseItem {
            payment_id: payment.payment_id.clone(),
            // Fits: there are at most SUSPENSE_MAX.
            number: before.len() as u32 + 1,
            user_id: payment.user_id.clone(),
            currency,
            amount,
            message: payment.message.clone(),
            at_ns: nanos(event.occurred_at()).unwrap_or_default(),
            outcome: None,
        };
        let mut booking = Booking::new(&self.ctx);
        booking.suspense(0, &item)?;
        booking.credited(&capture, &payment.user_id)?;
        Ok(booking.commit())
    }

    /// A capture comes in once: credited or kept in suspense, never both.
    async fn not_in_yet(&self, capture: &str) -> Result<(), Fault> {
        if documents::is_credited(self.ctx.store.as_ref(), capture).await? {
            return Err(Fault::park(format!("{capture} came in before")));
        }
        Ok(())
    }

    /// Keeps the first side of a match, settles with the second.
    async fn executed(
        &self,
        event: &SealedEvent,
        fill: &TradeExecutedEvent,
    ) -> Result<Commit, Fault> {
        let traceparent = &event.envelope().traceparent;
        let side = MatchSide::read(fill, event.id(), event.correlation_id(), traceparent)
            .map_err(Fault::park)?;
        let waiting = documents::pending(self.ctx.store.as_ref(), &side.match_id).await?;
        let Some(waiting) = waiting else {
            let mut booking = Booking::new(&self.ctx);
            booking.pending(&side)?;
            return Ok(booking.commit());
        };
        let matched = Match::of(waiting.document, side).map_err(Fault::park)?;
        self.settle(waiting.version, &matched).await
    }

    async fn settle(&self, waited: u64, matched: &Match) -> Result<Commit, Fault> {
        let ((buyer, buyer_at), (seller, seller_at)) =
            tokio::try_join!(self.party(matched.buyer()), self.party(matched.seller()))?;
        let settled = settle(matched, buyer, seller).map_err(Fault::park)?;
        let mut booking = Booking::new(&self.ctx);
        booking.settlement(waited, matched, settled.event, ACTOR)?;
        for (side, at) in [(settled.buyer, buyer_at), (settled.seller, seller_at)] {
            keep_side(&mut booking, side, at)?;
        }
        Ok(booking.commit())
    }

    /// What one side holds, with the versions of its account and lock.
    async fn party(&self, side: &MatchSide) -> Result<(Party, (u64, u64)), Fault> {
        let store = self.ctx.store.as_ref();
        let (account, slot) = tokio::try_join!(
            documents::account(store, &side.user_id),
            documents::slot(store, &side.order_id)
        )?;
        let Some(account) = account else {
            return Err(Fault::park("a side of the match has no account"));
        };
        let Some(Kept {
            document: Slot::Lock(lock),
            version,
        }) = slot
        else {
            return Err(Fault::park("a side of the match has nothing locked"));
        };
        let party = Party {
            account: account.document,
            lock,
        };
        Ok((party, (account.version, version)))
    }

    /// Gives back what an order did not need, or remembers to, or bars an order that never locked.
    async fn order_ended(&self, event: &SealedEvent, ended: &OrderEnd) -> Result<Commit, Fault> {
        let slot = documents::slot(self.ctx.store.as_ref(), &ended.order_id).await?;
        let slot_version = version(slot.as_ref());
        let mut booking = Booking::new(&self.ctx);
        let lock = match slot.map(|kept| kept.document) {
            Some(Slot::Lock(lock)) => lock,
            Some(Slot::Barred { .. }) => return Ok(booking.commit()),
            None => {
                let barred = Slot::Barred {
                    lock_id: ended.order_id.clone(),
                    user_id: ended.user_id.clone(),
                };
                booking.slot(0, &barred)?;
                return Ok(booking.commit());
            }
        };
        if lock.user_id != ended.user_id || lock.purpose != Purpose::Order {
            let lock_id = lock.lock_id;
            let why = "it belongs to another user, or is no order's";
            return Err(Fault::park(Breach::LockMisfit { lock_id, why }));
        }
        if !lock.is_open() {
            return Ok(booking.commit());
        }
        let account = self.account(&ended.user_id).await?;
        let done = end(&account.document, &lock, ended.ending(event)).map_err(Fault::park)?;
        booking.slot(slot_version, &Slot::Lock(done.lock))?;
        if let Some((after, released)) = done.released {
            let cause = event.cause(ACTOR);
            booking.account(account.version, &after, &released.into(), &cause)?;
        }
        Ok(booking.commit())
    }

    /// An open account: what needs one comes behind what opens it, save when that is being tried.
    async fn account(&self, user_id: &str) -> Result<Kept<Account>, Fault> {
        documents::account(self.ctx.store.as_ref(), user_id)
            .await?
            .ok_or_else(|| {
                Fault::retry(NotOpen {
                    user_id: user_id.to_owned(),
                })
            })
    }
}

/// Keeps one side of a settlement; what goes back belongs to its order's flow.
fn keep_side(booking: &mut Booking<'_>, side: SideSettled, at: (u64, u64)) -> Result<(), Fault> {
    let (account_version, lock_version) = at;
    booking.slot(lock_version, &Slot::Lock(side.party.lock))?;
    let account = &side.party.account;
    match side.released {
        None => booking.standing(account_version, account)?,
        Some((event, ending)) => {
            let cause = Cause {
                correlation_id: ending.correlation_id,
                causation_id: Some(ending.event_id),
                actor: ACTOR.to_owned(),
                traceparent: ending.traceparent,
            };
            booking.account(account_version, account, &event.into(), &cause)?;
        }
    }
    Ok(())
}

/// What a capture is remembered under.
fn capture_of(payment_id: &str, provider_reference: &str) -> String {
    format!("capture:{payment_id}:{provider_reference}")
}

// === impl OrderEnd ===

impl OrderEnd {
    /// The end of an order, if the event is one.
    fn read(event: &SealedEvent) -> Result<Option<OrderEnd>, Fault> {
        let (order_id, user_id, cumulative_quantity, reason);
        if event.is::<OrderFilledEvent>() {
            let filled: OrderFilledEvent = event.payload()?;
            if filled.status() != OrderStatus::Filled {
                return Ok(None);
            }
            (order_id, user_id) = (filled.order_id, filled.user_id);
            (cumulative_quantity, reason) = (filled.cumulative_quantity, Reason::Filled);
        } else if event.is::<OrderCancelledEvent>() {
            let cancelled: OrderCancelledEvent = event.payload()?;
            (order_id, user_id) = (cancelled.order_id, cancelled.user_id);
            (cumulative_quantity, reason) = (cancelled.cumulative_quantity, Reason::Cancelled);
        } else if event.is::<OrderExpiredEvent>() {
            let expired: OrderExpiredEvent = event.payload()?;
            (order_id, user_id) = (expired.order_id, expired.user_id);
            (cumulative_quantity, reason) = (expired.cumulative_quantity, Reason::Expired);
        } else if event.is::<OrderRejectedEvent>() {
            let rejected: OrderRejectedEvent = event.payload()?;
            (order_id, user_id) = (rejected.order_id, rejected.user_id);
            (cumulative_quantity, reason) = (0, Reason::Rejected);
        } else {
            return Ok(None);
        }
        Ok(Some(OrderEnd {
            order_id,
            user_id,
            cumulative_quantity,
            reason,
        }))
    }

    fn ending(&self, event: &SealedEvent) -> Ending {
        Ending {
            cumulative_quantity: self.cumulative_quantity,
            reason: self.reason,
            event_id: event.id(),
            correlation_id: event.correlation_id(),
            traceparent: event.envelope().traceparent.clone(),
        }
    }
}
