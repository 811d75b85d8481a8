//! `outcry orders`: a user's orders.

use std::process::ExitCode;

use anyhow::Context as _;
use outcry_contracts::orders::v1::order_service_client::OrderServiceClient;
use outcry_contracts::orders::v1::{
    CancelOrderRequest, GetOrderRequest, ListOrdersRequest, Order, OrderStatus, OrderTerms,
    OrderType, PlaceOrderRequest, Side, TimeInForce,
};
use outcry_contracts::types::v1::{Money, PageRequest};
use outcry_events::Amount;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::arguments::Target;
use crate::arguments::trading::{Orders, OrdersCancel, OrdersList, OrdersPlace};
use crate::failure::Kind;
use crate::newcomer::arrives;
use crate::output::{Output, Paint};
use crate::session::SignedChannel;
use crate::{session, text};

/// Orders asked for at a time.
const PAGE: u32 = 500;

/// `outcry orders …`
///
/// # Errors
/// The platform cannot be reached or refuses.
pub async fn run(orders: Orders, out: Output) -> anyhow::Result<ExitCode> {
    match orders {
        Orders::Place(place) => return self::place(place, out).await,
        Orders::List(list) => self::list(list, out).await?,
        Orders::Show(show) => {
            let order = one(&mut client(&show.target).await?, show.order).await?;
            shown(&order, out)?;
        }
        Orders::Cancel(cancel) => self::cancel(cancel, out).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn client(target: &Target) -> anyhow::Result<OrderServiceClient<SignedChannel>> {
    Ok(OrderServiceClient::new(session::open(target).await?))
}

async fn one(client: &mut OrderServiceClient<SignedChannel>, id: Uuid) -> anyhow::Result<Order> {
    let request = GetOrderRequest {
        order_id: id.to_string(),
    };
    let reply = client.get_order(request).await;
    let reply = reply.with_context(|| format!("asking for order {id}"))?;
    reply.into_inner().order.context("no order was answered")
}

/// What is asked for, as the contract has it.
fn terms(place: &OrdersPlace) -> OrderTerms {
    let kind = match (place.limit, place.stop) {
        (None, None) => OrderType::Market,
        (Some(_), None) => OrderType::Limit,
        (None, Some(_)) => OrderType::Stop,
        (Some(_), Some(_)) => OrderType::StopLimit,
    };
    OrderTerms {
        symbol: place.symbol.to_uppercase(),
        side: Side::from(place.side).into(),
        r#type: kind.into(),
        quantity: place.quantity,
        limit_price: place.limit.map(Amount::to_money),
        stop_price: place.stop.map(Amount::to_money),
        time_in_force: TimeInForce::from(place.life).into(),
        post_only: place.post_only,
        ..OrderTerms::default()
    }
}

/// Places an order; one that is rejected is shown, and refused to scripts.
async fn place(place: OrdersPlace, out: Output) -> anyhow::Result<ExitCode> {
    let mut client = client(&place.target).await?;
    let request = PlaceOrderRequest {
        request_id: place.repeat.id(),
        terms: Some(terms(&place)),
        ..PlaceOrderRequest::default()
    };
    let reply = client
        .place_order(request)
        .await
        .context("placing the order")?;
    let mut order = reply.into_inner().order.context("no order was answered")?;
    if place.wait && !is_final(order.status()) {
        let waiting = out.waiting("waiting for fills");
        let request = GetOrderRequest {
            order_id: order.order_id.clone(),
        };
        order = arrives("the end of the order", async || {
            let reply = client.get_order(request.clone()).await?;
            let order = reply.into_inner().order;
            Ok(order.filter(|order| is_final(order.status())))
        })
        .await?;
        waiting.finish_and_clear();
    }
    shown(&order, out)?;
    Ok(match order.status() {
        OrderStatus::Rejected => ExitCode::from(Kind::Refused.code()),
        _ => ExitCode::SUCCESS,
    })
}

async fn cancel(cancel: OrdersCancel, out: Output) -> anyhow::Result<()> {
    let request = CancelOrderRequest {
        request_id: cancel.repeat.id(),
        order_id: cancel.order.to_string(),
    };
    let reply = client(&cancel.target).await?.cancel_order(request).await;
    let reply = reply.with_context(|| format!("cancelling order {}", cancel.order))?;
    let order = reply.into_inner().order.context("no order was answered")?;
    shown(&order, out)
}

async fn list(list: OrdersList, out: Output) -> anyhow::Result<()> {
    let mut client = client(&list.target).await?;
    let limit = usize::try_from(list.limit).unwrap_or(usize::MAX);
    let mut orders: Vec<Order> = Vec::new();
    let mut token = String::new();
    loop {
        let request = ListOrdersRequest {
            page: Some(PageRequest {
                size: i32::try_from(list.limit.min(PAGE)).unwrap_or(i32::MAX),
                token,
            }),
            open_only: list.open,
            symbol: list.symbol.clone().unwrap_or_default().to_uppercase(),
            user_id: String::new(),
        };
        let reply = client.list_orders(request).await;
        let reply = reply.context("listing orders")?.into_inner();
        orders.extend(reply.orders);
        token = reply.page.unwrap_or_default().next_token;
        if token.is_empty() || orders.len() >= limit {
            break;
        }
    }
    orders.truncate(limit);
    if out.is_json() {
        let rows: Vec<Value> = orders.iter().map(order_json).collect();
        return out.document(&json!(rows));
    }
    if orders.is_empty() {
        return out.line("no orders: `outcry orders place buy 1 MSFT` places one");
    }
    let rows: Vec<Vec<String>> = orders
        .iter()
        .map(|order| {
            vec![
                order.order_id.clone(),
                text::time(order.created_at.as_ref()),
                wanted(order),
                status(order).to_owned(),
                filled(order),
            ]
        })
        .collect();
    out.table(&["ORDER", "PLACED", "WANTED", "STATUS", "FILLED"], &rows)
}

/// One order, with what to ask next.
fn shown(order: &Order, out: Output) -> anyhow::Result<()> {
    if out.is_json() {
        return out.document(&order_json(order));
    }
    let paint = match order.status() {
        OrderStatus::Filled => Paint::Good,
        OrderStatus::Rejected | OrderStatus::Expired => Paint::Bad,
        _ => Paint::Bold,
    };
    out.line(format_args!(
        "{}  {}  {}",
        out.paint(paint, status(order)),
        wanted(order),
        filled(order)
    ))?;
    if !order.message.is_empty() {
        out.line(format_args!("  {}", text::printable(&order.message)))?;
    }
    out.line(format_args!("order  {}", order.order_id))?;
    out.line(format_args!("flow   {}", order.correlation_id))
}

fn order_json(order: &Order) -> Value {
    let terms = order.terms.clone().unwrap_or_default();
    json!({
        "orderId": order.order_id,
        "correlationId": order.correlation_id,
        "symbol": terms.symbol,
        "side": terms.side().as_str_name().trim_start_matches("SIDE_"),
        "type": terms.r#type().as_str_name().trim_start_matches("ORDER_TYPE_"),
        "quantity": terms.quantity,
        "limitPrice": price(terms.limit_price.as_ref()),
        "stopPrice": price(terms.stop_price.as_ref()),
        "timeInForce": terms.time_in_force().as_str_name().trim_start_matches("TIME_IN_FORCE_"),
        "status": order.status().as_str_name().trim_start_matches("ORDER_STATUS_"),
        "filledQuantity": order.cumulative_quantity,
        "averagePrice": price(order.average_price.as_ref()),
        "message": order.message,
        "placedAt": text::time(order.created_at.as_ref()),
    })
}

fn price(money: Option<&Money>) -> Option<String> {
    Some(Amount::from_money(money?).ok()?.to_string())
}

/// `buy 10 MSFT at 100.00`
fn wanted(order: &Order) -> String {
    let terms = order.terms.clone().unwrap_or_default();
    let side = match terms.side() {
        Side::Sell => "sell",
        _ => "buy",
    };
    let mut text = format!("{side} {} {}", terms.quantity, terms.symbol);
    match price(terms.limit_price.as_ref()) {
        Some(limit) => text.push_str(&format!(" at {limit}")),
        None => text.push_str(" at the market"),
    }
    if let Some(stop) = price(terms.stop_price.as_ref()) {
        text.push_str(&format!(" from {stop}"));
    }
    text
}

/// `10 @ 100.02`; nothing while nothing is filled.
fn filled(order: &Order) -> String {
    match price(order.average_price.as_ref()) {
        Some(average) => format!("{} @ {average}", order.cumulative_quantity),
        None => String::new(),
    }
}

fn status(order: &Order) -> &'static str {
    match order.status() {
        OrderStatus::Unspecified => "unknown",
        OrderStatus::New => "new",
        OrderStatus::Validated => "validated",
        OrderStatus::Open => "open",
        OrderStatus::PartiallyFilled => "partly filled",
        OrderStatus::PendingCancel => "being cancelled",
        OrderStatus::PendingReplace => "being changed",
        OrderStatus::Filled => "filled",
        OrderStatus::Cancelled => "cancelled",
        OrderStatus::Rejected => "rejected",
        OrderStatus::Expired => "expired",
    }
}

fn is_final(status: OrderStatus) -> bool {
    matches!(
        status,
        OrderStatus::Filled | OrderStatus::Cancelled | OrderStatus::Rejected | OrderStatus::Expired
    )
}
