//! Placing an order: what is checked before it is made.

use outcry_contracts::orders::v1::{
    OrderCreatedEvent, OrderTerms, OrderType, PlaceOrderRequest, PlaceOrderResponse, RejectReason,
};
use outcry_contracts::users::v1::UserStatus;
use outcry_events::Cause;
use outcry_mesh::{cause, refusal, user};
use outcry_service::answers::Pending;
use outcry_service::decider::stream;
use outcry_service::store_failure;
use tonic::{Code, Request, Status};

use super::{Api, only_id};
use crate::domain::{Order, Refused};
use crate::instruments::Rules;
use crate::placing::{self, NewOrder, NotCreated};
use crate::pretrade::{Need, Quote, assess};
use crate::views::{self, OrderRow, UserRow};
use crate::{portfolios, terms, venue};

// === impl Api ===

impl Api {
    /// Makes an order and brings it as far as it gets.
    pub(super) async fn place(
        &self,
        request: &Request<PlaceOrderRequest>,
        pending: &Pending,
    ) -> Result<Result<OrderRow, NotCreated>, Status> {
        let (asked, cause) = (request.get_ref(), cause(request));
        let user_id = user(request)?.id.clone();
        let order_terms = asked.terms.clone().unwrap_or_default();
        let malformed = terms::malformed(&order_terms, self.ctx.clock.now());
        if !malformed.is_empty() {
            return Err(terms::refusal(&malformed));
        }
        if let Some(row) = self.placed_before(&user_id, asked).await? {
            return Ok(Ok(row));
        }
        let known = views::known_user(self.ctx.store.as_ref(), &user_id)
            .await
            .map_err(store_failure)?
            .map(|user| user.row);
        let status = known.as_ref().map(UserRow::status);
        if status.is_some_and(|status| status != UserStatus::Active) {
            return Err(not_active());
        }
        let new = NewOrder {
            order_id: self.ctx.clock.new_id().to_string(),
            outcome: self.outcome(&user_id, status, &order_terms, &cause).await?,
            user_id,
            client_order_id: asked.client_order_id.clone(),
            terms: order_terms,
            user_sequence: known.map_or(0, |user| user.sequence),
        };
        let answer = PlaceOrderResponse {
            order: Some(only_id(&new.order_id)),
        };
        let answered = pending.answer(&self.ctx, &answer);
        let row = match placing::create(&self.ctx, &cause, new, answered).await {
            Ok(row) => row,
            Err(not_created) => return Ok(Err(not_created)),
        };
        let order_id = &row.order.order_id;
        let done = vec![placing::job(order_id).clear()];
        let carried = placing::carry_on(&self.ctx, order_id, &cause, done).await;
        Ok(Ok(self.as_far_as_known(carried, &row).await))
    }

    /// What the order needs, or why it is refused at once. A market order needs to know the book.
    ///
    /// The band moves with the market: an order outside of the one that was known is measured by the
    /// one of this moment.
    async fn outcome(
        &self,
        user_id: &str,
        user: Option<UserStatus>,
        order_terms: &OrderTerms,
        cause: &Cause,
    ) -> Result<Result<Need, Refused>, Status> {
        let (ctx, symbol) = (&self.ctx, &order_terms.symbol);
        let found = self.instruments.find(ctx, cause, symbol).await?;
        let quote = if found.rules.is_some() && order_terms.r#type() == OrderType::Market {
            venue::quote(ctx, cause, symbol).await?
        } else {
            Quote::default()
        };
        let judge = |rules: Option<&Rules>| assess(&self.config, user, order_terms, rules, quote);
        let mut outcome = judge(found.rules.as_ref());
        let outside = |refused: &Refused| refused.reason == RejectReason::PriceBand;
        if outcome.as_ref().is_err_and(outside) && !found.is_fresh {
            let fresh = self.instruments.find_fresh(ctx, cause, symbol).await?;
            outcome = judge(fresh.rules.as_ref());
        }
        if outcome.is_err() {
            return Ok(outcome);
        }
        let portfolio = portfolios::check(ctx, cause, user_id, order_terms).await?;
        Ok(portfolio.and(outcome))
    }

    /// The order that the user's own id for it belongs to, if it was placed with these terms; none
    /// when the id is free.
    ///
    /// # Errors
    /// It belongs to an order with other terms.
    pub(super) async fn placed_before(
        &self,
        user_id: &str,
        asked: &PlaceOrderRequest,
    ) -> Result<Option<OrderRow>, Status> {
        let own = &asked.client_order_id;
        if own.is_empty() {
            return Ok(None);
        }
        let store = self.ctx.store.as_ref();
        let known = views::by_client_order_id(store, user_id, own)
            .await
            .map_err(store_failure)?;
        let Some(order_id) = known else {
            return Ok(None);
        };
        let first = store
            .read_stream(&stream::<Order>(&order_id), 0, 1)
            .await
            .map_err(store_failure)?;
        let placed = first
            .first()
            .and_then(|stored| stored.event.payload::<OrderCreatedEvent>().ok());
        if placed.and_then(|placed| placed.terms) != asked.terms {
            return Err(taken(own, &order_id));
        }
        Ok(Some(self.row(&order_id).await?))
    }
}

/// Another order of the user has this client order id; the answer names it.
fn taken(own: &str, order_id: &str) -> Status {
    refusal::with_metadata(
        Code::AlreadyExists,
        "CLIENT_ORDER_ID_TAKEN",
        format!("client order id {own} belongs to order {order_id}, which has other terms"),
        [("order_id".to_owned(), order_id.to_owned())],
    )
}

/// No order is made for a user who may not trade.
pub(super) fn not_active() -> Status {
    refusal::with_reason(
        Code::FailedPrecondition,
        "USER_NOT_ACTIVE",
        "the user is not active, so no order was made",
    )
}
