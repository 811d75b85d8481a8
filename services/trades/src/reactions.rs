//! What the venue does about the events of others.

use async_trait::async_trait;
use outcry_contracts::funds::v1::FundsSettledEvent;
use outcry_contracts::orders::v1::OrderValidatedEvent;
use outcry_contracts::trades::v1::TradeStatus;
use outcry_events::{EventSet, SealedEvent, Stamp};
use outcry_mesh::refusal::Refusal;
use outcry_service::{Context, Fault, GroupSpec, Reaction, Unknown, in_this_span};
use outcry_store::{Append, Commit};
use tonic::Code;
use uuid::Uuid;

use crate::trade::{TradeEvent, VENUE, stream, trade_id};
use crate::venue::{Submission, Venue, VenueError};
use crate::views;

/// Topics the venue consumes.
pub const CONSUMES: &[&str] = &["order.validated", "funds.settled"];

/// The venue's consumer.
///
/// - `order.validated`: takes the order in if the order service did not come to say so itself.
/// - `funds.settled`: closes a filled trade once all of it is settled.
pub(crate) struct Listener {
    pub(crate) ctx: Context,
    pub(crate) venue: Venue,
}

#[async_trait]
impl Reaction for Listener {
    fn group(&self) -> GroupSpec {
        GroupSpec::new("trades", CONSUMES, Unknown::Park)
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        if event.is::<OrderValidatedEvent>() {
            self.take_in(event, event.payload()?).await
        } else if event.is::<FundsSettledEvent>() {
            self.settle(event, &event.payload()?).await
        } else {
            Err(Fault::discard("an event the venue does not listen to"))
        }
    }
}

impl Listener {
    /// The desk commits by itself and takes an order once, so the commit here is empty.
    async fn take_in(
        &self,
        event: &SealedEvent,
        validated: OrderValidatedEvent,
    ) -> Result<Commit, Fault> {
        let terms = validated
            .terms
            .ok_or_else(|| Fault::park("the order has no terms"))?;
        let submission = Submission {
            order_id: uuid(&validated.order_id)?,
            user_id: uuid(&validated.user_id)?,
            terms,
            protection_price: validated.protection_price,
        };
        self.venue.submit(submission, event.cause(VENUE)).await?;
        Ok(Commit::default())
    }

    async fn settle(
        &self,
        event: &SealedEvent,
        settled: &FundsSettledEvent,
    ) -> Result<Commit, Fault> {
        let mut commit = Commit::default();
        for order_id in [&settled.buyer_order_id, &settled.seller_order_id] {
            let trade_id = trade_id(uuid(order_id)?);
            self.settle_side(event, trade_id, settled.quantity, &mut commit)
                .await?;
        }
        Ok(commit)
    }

    /// Counts what is settled of one trade, and closes the trade when that is all of it.
    async fn settle_side(
        &self,
        event: &SealedEvent,
        trade_id: Uuid,
        quantity: i64,
        commit: &mut Commit,
    ) -> Result<(), Fault> {
        let store = self.ctx.store.as_ref();
        // In this order: a desk that fills the trade without a fill after the first read has
        // written that row as well, so the commit conflicts and the trade is looked at again.
        let mut settled = views::settled(store, trade_id).await?;
        let Some(mut trade) = views::trade(store, trade_id).await? else {
            return Err(Fault::park(format!("the venue has no trade {trade_id}")));
        };
        settled.quantity += quantity;
        if settled.quantity > trade.executed {
            return Err(Fault::park(format!(
                "more of trade {trade_id} is settled than traded"
            )));
        }
        commit.views.push(views::write_settled(trade_id, &settled)?);
        if trade.status() != TradeStatus::Filled || settled.quantity < trade.executed {
            return Ok(());
        }
        let closed = TradeEvent::Closed(trade.closed());
        let now = self.ctx.clock.now();
        let cause = in_this_span(trade.caused_by(&event.cause(VENUE)));
        let sealed = closed.seal(Stamp {
            event_id: self.ctx.clock.new_id(),
            sequence: trade.sequence + 1,
            occurred_at: now,
            recorded_at: now,
            cause: &cause,
        })?;
        commit.appends.push(Append {
            stream: stream(trade_id),
            expected: trade.sequence,
            events: vec![sealed.clone()],
        });
        trade.apply(&sealed, &closed).map_err(Fault::park)?;
        commit.views.push(views::write_trade(&trade)?);
        Ok(())
    }
}

fn uuid(text: &str) -> Result<Uuid, Fault> {
    Uuid::try_parse(text).map_err(|_| Fault::park("an id is not a uuid"))
}

impl From<VenueError> for Fault {
    fn from(error: VenueError) -> Fault {
        match error {
            VenueError::Store(source) => source.into(),
            error if error.code() == Code::Unavailable => Fault::retry(error),
            error => Fault::park(error),
        }
    }
}
