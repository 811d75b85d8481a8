//! The gRPC methods: parse, carry out, answer. Answers are rendered from the order as it then is.
//!
//! A stored answer holds nothing but the order's id, which is fixed in the first commit of a
//! request; a repetition gets that order as it is by then, never a second one. Once an order is
//! there, a service that does not answer is no error of the call: the answer is the order as far
//! as it is known, and its timer carries it on.

mod follow;
mod place;

use futures::{StreamExt, stream};
use outcry_contracts::orders::v1::order_service_server::{OrderService, OrderServiceServer};
use outcry_contracts::orders::v1::{
    CancelAllOrdersRequest, CancelAllOrdersResponse, CancelOrderRequest, CancelOrderResponse,
    CancelReason, GetOrderByClientIdRequest, GetOrderByClientIdResponse, GetOrderRequest,
    GetOrderResponse, ListOrdersRequest, ListOrdersResponse, Order, PlaceOrderRequest,
    PlaceOrderResponse, ReplaceOrderRequest, ReplaceOrderResponse, StreamOrderUpdatesRequest,
};
use outcry_events::{Amount, Cause};
use outcry_mesh::{Role, User, cause, identity, refusal, subject, user};
use outcry_service::answers::{self, Lookup};
use outcry_service::{Context, Page, store_failure};
use outcry_store::{Commit, CommitError};
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};
use tracing::warn;

use crate::cancelling;
use crate::changes::{Failed, not_committed};
use crate::config::Config;
use crate::domain::lifecycle;
use crate::instruments::Instruments;
use crate::placing::NotCreated;
use crate::replacing::{self, Ended};
use crate::terms;
use crate::timers::CARRY_ON_AFTER;
use crate::views::{self, Filter, OrderRow, RequestKey, shown};

/// Full names of the methods whose answers are kept.
const PLACE: &str = "/outcry.orders.v1.OrderService/PlaceOrder";
const CANCEL: &str = "/outcry.orders.v1.OrderService/CancelOrder";
const CANCEL_ALL: &str = "/outcry.orders.v1.OrderService/CancelAllOrders";
const REPLACE: &str = "/outcry.orders.v1.OrderService/ReplaceOrder";

/// Cancellations of one request asked of the venue at the same time.
const CANCELS_AT_ONCE: usize = 16;

/// Orders that one call cancels: as many as a venue takes off within the deadline of a call, even
/// when each answer takes some milliseconds.
const CANCELLED_MAX: usize = 250;

/// Open orders that are counted to say how many remain: nobody has more, and if somebody has, the
/// number is still large enough to call again.
const COUNTED_MAX: usize = 5_000;

/// The methods of this service.
///
/// Streams end when `draining` says so.
pub(crate) fn routes(ctx: Context, config: Config, draining: watch::Receiver<bool>) -> Routes {
    Routes::new(OrderServiceServer::new(Api {
        ctx,
        config,
        instruments: Instruments::new(),
        draining,
    }))
}

struct Api {
    ctx: Context,
    config: Config,
    instruments: Instruments,
    draining: watch::Receiver<bool>,
}

// === impl Api ===

impl Api {
    /// What a step led to; when it did not come to an end, the order as it is, never a guess.
    async fn as_far_as_known(&self, step: Result<OrderRow, Status>, before: &OrderRow) -> OrderRow {
        let status = match step {
            Ok(row) => return row,
            Err(status) => status,
        };
        let order_id = &before.order.order_id;
        warn!(order_id, code = ?status.code(), reason = status.message(), "order waits for its timer");
        self.row(order_id).await.unwrap_or_else(|_| before.clone())
    }

    /// Asks the venue to cancel one order.
    async fn cancel(&self, row: OrderRow, cause: &Cause, reason: CancelReason) -> OrderRow {
        let order_id = &row.order.order_id;
        let done = vec![cancelling::job(order_id, reason).clear()];
        let asked = cancelling::ask_venue(&self.ctx, order_id, cause, done).await;
        self.as_far_as_known(asked, &row).await
    }

    /// One of many: also writes the wish down.
    async fn cancel_one(&self, row: OrderRow, cause: &Cause) -> OrderRow {
        let order_id = &row.order.order_id;
        match cancelling::wish(&self.ctx, order_id, CancelReason::User, None).await {
            Ok(row) => self.cancel(row, cause, CancelReason::User).await,
            Err(error) => self.as_far_as_known(Err(error.into()), &row).await,
        }
    }

    async fn row(&self, order_id: &str) -> Result<OrderRow, Status> {
        views::order(self.ctx.store.as_ref(), order_id)
            .await
            .map_err(store_failure)?
            .map(|order| order.row)
            .ok_or_else(no_such_order)
    }

    /// An order of the caller, or of anybody when `may` says so. Others' orders are not there.
    async fn visible<T>(
        &self,
        request: &Request<T>,
        order_id: &str,
        may: impl Fn(&User) -> bool,
    ) -> Result<OrderRow, Status> {
        let row = self.row(order_id).await?;
        match &identity(request).user {
            Some(user) if user.id == row.order.user_id || may(user) => Ok(row),
            _ => Err(no_such_order()),
        }
    }

    /// The order a stored answer names, as it is now.
    async fn now(&self, answered: Option<Order>) -> Result<Option<Order>, Status> {
        let order_id = answered.unwrap_or_default().order_id;
        Ok(Some(shown(&self.row(&order_id).await?)))
    }
}

#[tonic::async_trait]
impl OrderService for Api {
    async fn place_order(
        &self,
        request: Request<PlaceOrderRequest>,
    ) -> Result<Response<PlaceOrderResponse>, Status> {
        let request_id = request.get_ref().request_id.clone();
        let lookup = answers::lookup(&self.ctx, &request, PLACE, &request_id).await?;
        let order = match lookup {
            Lookup::Answered(PlaceOrderResponse { order }) => self.now(order).await?,
            Lookup::New(pending) => match self.place(&request, &pending).await? {
                Ok(row) => Some(shown(&row)),
                Err(NotCreated::Failed(error)) => return Err(error.into()),
                Err(NotCreated::Answered) => {
                    drop(pending);
                    match answers::lookup(&self.ctx, &request, PLACE, &request_id).await? {
                        Lookup::Answered(PlaceOrderResponse { order }) => self.now(order).await?,
                        Lookup::New(_) => return Err(Failed::Duplicate.into()),
                    }
                }
                // Somebody else has placed it meanwhile: it, or another one with its id.
                Err(NotCreated::ClientOrderIdTaken) => {
                    let user = &user(&request)?.id;
                    match self.placed_before(user, request.get_ref()).await? {
                        Some(row) => Some(shown(&row)),
                        None => return Err(Failed::Duplicate.into()),
                    }
                }
                Err(NotCreated::Barred) => return Err(place::not_active()),
            },
        };
        Ok(Response::new(PlaceOrderResponse { order }))
    }

    async fn cancel_order(
        &self,
        request: Request<CancelOrderRequest>,
    ) -> Result<Response<CancelOrderResponse>, Status> {
        let asked = request.get_ref();
        let lookup = answers::lookup(&self.ctx, &request, CANCEL, &asked.request_id).await?;
        let pending = match lookup {
            Lookup::New(pending) => pending,
            Lookup::Answered(CancelOrderResponse { order }) => {
                let order = self.now(order).await?;
                return Ok(Response::new(CancelOrderResponse { order }));
            }
        };
        let admin = |user: &User| user.has(Role::Admin);
        let mut row = self.visible(&request, &asked.order_id, admin).await?;
        if !row.order.is_final() {
            let order = Some(only_id(&asked.order_id));
            let answered = pending.answer(&self.ctx, &CancelOrderResponse { order });
            let reason = CancelReason::User;
            row = match cancelling::wish(&self.ctx, &asked.order_id, reason, answered).await {
                Ok(row) => self.cancel(row, &cause(&request), reason).await,
                Err(Failed::Duplicate) => self.row(&asked.order_id).await?,
                Err(error) => return Err(error.into()),
            };
        }
        let order = Some(shown(&row));
        Ok(Response::new(CancelOrderResponse { order }))
    }

    async fn cancel_all_orders(
        &self,
        request: Request<CancelAllOrdersRequest>,
    ) -> Result<Response<CancelAllOrdersResponse>, Status> {
        let asked = request.get_ref();
        let cause = cause(&request);
        let lookup = answers::lookup(&self.ctx, &request, CANCEL_ALL, &asked.request_id).await?;
        let pending = match lookup {
            Lookup::New(pending) => pending,
            Lookup::Answered(CancelAllOrdersResponse { orders, remaining }) => {
                let mut now = Vec::with_capacity(orders.len());
                for order in orders {
                    now.extend(self.now(Some(order)).await?);
                }
                return Ok(Response::new(CancelAllOrdersResponse {
                    orders: now,
                    remaining,
                }));
            }
        };
        let filter = Filter {
            user_id: &user(&request)?.id,
            symbol: &asked.symbol,
            open_only: true,
        };
        let mut open = views::orders(self.ctx.store.as_ref(), &filter, None, COUNTED_MAX)
            .await
            .map_err(store_failure)?;
        let rest = open.len().saturating_sub(CANCELLED_MAX);
        let remaining = i32::try_from(rest).unwrap_or(i32::MAX);
        open.truncate(CANCELLED_MAX);
        let ids = || open.iter().map(|(row, _)| row.order.order_id.as_str());
        let answer = CancelAllOrdersResponse {
            orders: ids().map(only_id).collect(),
            remaining,
        };
        let commit = Commit {
            answered: pending.answer(&self.ctx, &answer),
            timers: cancelling::timers(&self.ctx, ids(), CancelReason::User, CARRY_ON_AFTER),
            ..Commit::default()
        };
        match self.ctx.store.commit(commit).await {
            Ok(()) | Err(CommitError::Duplicate(_)) => {}
            Err(error) => return Err(not_committed("orders", error).into()),
        }
        let orders = stream::iter(open)
            .map(|(row, _)| self.cancel_one(row, &cause))
            .buffered(CANCELS_AT_ONCE)
            .map(|row| shown(&row))
            .collect()
            .await;
        Ok(Response::new(CancelAllOrdersResponse { orders, remaining }))
    }

    async fn replace_order(
        &self,
        request: Request<ReplaceOrderRequest>,
    ) -> Result<Response<ReplaceOrderResponse>, Status> {
        let asked = request.get_ref();
        let lookup = answers::lookup(&self.ctx, &request, REPLACE, &asked.request_id).await?;
        let pending = match lookup {
            Lookup::New(pending) => pending,
            Lookup::Answered(ReplaceOrderResponse { order }) => {
                let order = self.now(order).await?;
                return Ok(Response::new(ReplaceOrderResponse { order }));
            }
        };
        let (order_id, cause) = (&asked.order_id, cause(&request));
        let row = self.visible(&request, order_id, |_| false).await?;
        let malformed = terms::malformed_change(asked, row.order.order_type());
        if !malformed.is_empty() {
            return Err(terms::refusal(&malformed));
        }
        let symbol = &row.order.symbol;
        let found = self.instruments.find(&self.ctx, &cause, symbol).await?;
        let answer = ReplaceOrderResponse {
            order: Some(only_id(order_id)),
        };
        let answer = pending.answer(&self.ctx, &answer);
        let wish = replacing::Wish {
            request: answer.as_ref().map(RequestKey::of).unwrap_or_default(),
            quantity: asked.quantity,
            limit: Amount::from_required(asked.limit_price.as_ref()).ok(),
            stop: Amount::from_required(asked.stop_price.as_ref()).ok(),
        };
        let rules = found.rules.as_ref();
        let row = replacing::wish(&self.ctx, &self.config, rules, order_id, &wish).await?;
        let ended = replacing::ask(
            &self.ctx,
            &self.config,
            order_id,
            &cause,
            vec![replacing::job(order_id).clear()],
        );
        let row = match ended.await {
            Ok(Ended::Done(row)) => *row,
            Ok(Ended::Refused(status)) => return Err(status),
            Err(status) => self.as_far_as_known(Err(status), &row).await,
        };
        let order = Some(shown(&row));
        Ok(Response::new(ReplaceOrderResponse { order }))
    }

    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<GetOrderResponse>, Status> {
        let order_id = &request.get_ref().order_id;
        let row = self.visible(&request, order_id, User::is_operator).await?;
        let order = Some(shown(&row));
        Ok(Response::new(GetOrderResponse { order }))
    }

    async fn get_order_by_client_id(
        &self,
        request: Request<GetOrderByClientIdRequest>,
    ) -> Result<Response<GetOrderByClientIdResponse>, Status> {
        let user = &user(&request)?.id;
        let own = &request.get_ref().client_order_id;
        let order_id = views::by_client_order_id(self.ctx.store.as_ref(), user, own)
            .await
            .map_err(store_failure)?
            .ok_or_else(no_such_order)?;
        let order = Some(shown(&self.row(&order_id).await?));
        Ok(Response::new(GetOrderByClientIdResponse { order }))
    }

    async fn list_orders(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        let asked = request.get_ref();
        let filter = Filter {
            user_id: &subject(&request, &asked.user_id)?,
            symbol: &asked.symbol,
            open_only: asked.open_only,
        };
        let page = Page::of(asked.page.clone());
        let (store, after) = (self.ctx.store.as_ref(), page.after.clone());
        let mut rows = views::orders(store, &filter, after, page.limit())
            .await
            .map_err(store_failure)?;
        let page = page.cut(&mut rows, |(_, cursor)| cursor.clone());
        let orders = rows
            .iter()
            .map(|(row, _)| shown(row))
            // The venue may be done with one whose last event has not arrived yet.
            .filter(|order| !(filter.open_only && lifecycle::is_final(order.status())))
            .collect();
        let page = Some(page);
        Ok(Response::new(ListOrdersResponse { orders, page }))
    }

    type StreamOrderUpdatesStream = follow::Updates;

    async fn stream_order_updates(
        &self,
        request: Request<StreamOrderUpdatesRequest>,
    ) -> Result<Response<follow::Updates>, Status> {
        let user_id = user(&request)?.id.clone();
        let updates = follow::open(&self.ctx, user_id, request.get_ref(), self.draining.clone());
        Ok(Response::new(updates.await?))
    }
}

/// All that a stored answer holds of an order.
pub(crate) fn only_id(order_id: &str) -> Order {
    Order {
        order_id: order_id.to_owned(),
        ..Order::default()
    }
}

fn no_such_order() -> Status {
    let message = "there is no such order of yours";
    refusal::with_reason(Code::NotFound, "ORDER_UNKNOWN", message)
}
