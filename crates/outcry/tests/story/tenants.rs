//! No customer reaches what another has: every method of the contract that names something, called
//! with the names of somebody else's.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Request;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, Full};
use outcry_contracts::funds::v1::{ListLocksRequest, WithdrawRequest};
use outcry_contracts::notifications::v1::ListNotificationsRequest;
use outcry_contracts::notifications::v1::notification_service_client::NotificationServiceClient;
use outcry_contracts::options::v1::Role;
use outcry_contracts::orders::v1::{
    GetOrderRequest, Order, OrderStatus, OrderTerms, OrderType, PlaceOrderRequest, Side,
    TimeInForce,
};
use outcry_contracts::payments::v1::CreatePaymentRequest;
use outcry_contracts::portfolio::v1::CreatePortfolioRequest;
use outcry_contracts::reports::v1::{
    GetReportRequest, ReportFormat, ReportStatus, ReportType, RequestReportRequest,
};
use outcry_contracts::trades::v1::GetTradeRequest;
use outcry_contracts::{FILE_DESCRIPTOR_SET, METHODS};
use prost::Message as _;
use prost::bytes::Bytes;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Service as _, ServiceExt as _};

use super::outcry::Outcry;
use super::person::{Person, arrives, connect, fresh, money};

/// What Ada trades.
const SYMBOL: &str = "AAPL";

/// What Ada's order is known by to her programs.
const CLIENT_ORDER_ID: &str = "adas-first";

/// Longer than any answer takes; a stream that was opened goes on.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// What belongs to Ada, by the name requests give it.
type Owned = BTreeMap<&'static str, String>;

/// Fields that name something but not somebody's: what a caller makes up for their own new order,
/// and what no message leaves behind without a channel to leave by.
const NOBODYS: [(&str, &str); 2] = [
    ("PlaceOrder", "client_order_id"),
    ("RetryDelivery", "delivery_id"),
];

/// A call that names one thing of Ada's.
struct Attempt {
    path: &'static str,
    named: String,
    message: Vec<u8>,
    /// It changes nothing and ends by itself.
    is_read: bool,
}

/// Everything that a customer can do with something of Ada's by naming it.
fn attempts(owned: &Owned) -> Vec<Attempt> {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file;
    let mut messages: BTreeMap<String, &DescriptorProto> = BTreeMap::new();
    let mut asked: BTreeMap<String, &str> = BTreeMap::new();
    for file in &files {
        for message in &file.message_type {
            messages.insert(format!(".{}.{}", file.package(), message.name()), message);
        }
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                asked.insert(path, method.input_type());
            }
        }
    }
    let mut attempts = Vec::new();
    let open = METHODS
        .iter()
        .filter(|method| method.roles.contains(&Role::User));
    for method in open {
        let fields = &messages[asked[method.path]].field;
        let names = fields.iter().filter(|field| names_something(field));
        for field in names.filter(|field| !is_nobodys(method.path, field.name())) {
            let singular = field.name().trim_end_matches('s');
            let value = owned
                .get(singular)
                .unwrap_or_else(|| panic!("{} names a {singular}: Ada needs one", method.path));
            attempts.push(Attempt {
                path: method.path,
                named: field.name().to_owned(),
                message: filled(fields, field.name(), value),
                is_read: method.safe && (!method.server_streaming || singular == "report_id"),
            });
        }
    }
    attempts
}

fn is_text(field: &FieldDescriptorProto) -> bool {
    field.r#type() == Type::String
}

fn names_something(field: &FieldDescriptorProto) -> bool {
    let name = field.name();
    let is_id = name.ends_with("_id") || name.ends_with("_ids") || name == "account";
    is_text(field) && is_id && name != "request_id"
}

fn is_nobodys(path: &str, field: &str) -> bool {
    NOBODYS
        .iter()
        .any(|(method, name)| path.ends_with(&format!("/{method}")) && field == *name)
}

/// A request with one thing named, and what else no request of its kind may lack.
fn filled(fields: &[FieldDescriptorProto], named: &str, value: &str) -> Vec<u8> {
    let mut message = Vec::new();
    for field in fields {
        let tag = u32::try_from(field.number()).unwrap();
        let text = match field.name() {
            name if name == named => value.to_owned(),
            "request_id" => fresh(),
            "name" => "taken over".to_owned(),
            "symbol" => SYMBOL.to_owned(),
            "quantity" => {
                prost::encoding::int64::encode(tag, &1, &mut message);
                continue;
            }
            _ => continue,
        };
        prost::encoding::string::encode(tag, &text, &mut message);
    }
    message
}

/// Calls a method with a message as it is; the bytes that came back.
async fn call(person: &Person, path: &str, message: &[u8]) -> Result<Bytes, Status> {
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend(message);
    let body = Full::new(Bytes::from(framed)).map_err(|never| match never {});
    let request = Request::post(path)
        .header(CONTENT_TYPE, "application/grpc")
        .header("te", "trailers")
        .body(Body::new(body))
        .unwrap();
    let mut signed = person.signed();
    let response = signed.ready().await.unwrap().call(request).await.unwrap();
    if let Some(status) = Status::from_header_map(response.headers())
        && status.code() != Code::Ok
    {
        return Err(status);
    }
    let collected = response.into_body().collect().await?;
    let ended = collected.trailers().and_then(Status::from_header_map);
    match ended {
        Some(status) if status.code() != Code::Ok => Err(status),
        _ => Ok(collected.to_bytes()),
    }
}

/// An order that rests.
fn resting() -> OrderTerms {
    OrderTerms {
        symbol: SYMBOL.to_owned(),
        side: Side::Buy.into(),
        r#type: OrderType::Limit.into(),
        quantity: 2,
        limit_price: money("50"),
        time_in_force: TimeInForce::Gtc.into(),
        ..OrderTerms::default()
    }
}

/// Gives Ada one of everything.
async fn belongings(ada: &Person) -> Owned {
    let mut owned = Owned::new();
    owned.insert("user_id", ada.user_id.clone());
    owned.insert("account", format!("u:{}:USD:avail", ada.user_id));
    let payment = CreatePaymentRequest {
        request_id: fresh(),
        amount: money("1000"),
    };
    let payment = ada.payments().create_payment(payment).await.unwrap();
    owned.insert(
        "payment_id",
        payment.into_inner().payment.unwrap().payment_id,
    );
    ada.has_cash("1000", "0").await;

    let placed = PlaceOrderRequest {
        request_id: fresh(),
        client_order_id: CLIENT_ORDER_ID.to_owned(),
        terms: Some(resting()),
    };
    let placed = ada.orders().place_order(placed).await.unwrap();
    let flow = placed.metadata().get("outcry-correlation-id").unwrap();
    owned.insert("correlation_id", flow.to_str().unwrap().to_owned());
    let order_id = placed.into_inner().order.unwrap().order_id;
    owned.insert("client_order_id", CLIENT_ORDER_ID.to_owned());
    owned.insert("order_id", order_id.clone());
    let trade_id = arrives("the trade", async || {
        let asked = GetTradeRequest {
            order_id: order_id.clone(),
            ..GetTradeRequest::default()
        };
        let shown = ada.venue().get_trade(asked).await.ok()?;
        Some(shown.into_inner().trade?.trade_id)
    })
    .await;
    owned.insert("trade_id", trade_id);
    let locks = ada.funds().list_locks(ListLocksRequest::default()).await;
    let lock = locks.unwrap().into_inner().locks.remove(0);
    owned.insert("lock_id", lock.lock_id);
    let withdrawn = WithdrawRequest {
        request_id: fresh(),
        amount: money("10"),
        destination_last4: "4711".to_owned(),
    };
    let withdrawn = ada.funds().withdraw(withdrawn).await.unwrap();
    owned.insert("withdrawal_id", withdrawn.into_inner().withdrawal_id);

    let portfolio = CreatePortfolioRequest {
        request_id: fresh(),
        name: "Ada's own".to_owned(),
    };
    let portfolio = ada.portfolios().create_portfolio(portfolio).await.unwrap();
    owned.insert(
        "portfolio_id",
        portfolio.into_inner().portfolio.unwrap().portfolio_id,
    );
    owned.insert("report_id", report(ada).await);
    let notification_id = arrives("a notification", async || {
        let mut client = NotificationServiceClient::new(ada.signed());
        let asked = ListNotificationsRequest::default();
        let listed = client.list_notifications(asked).await.ok()?.into_inner();
        Some(listed.notifications.first()?.notification_id.clone())
    })
    .await;
    owned.insert("notification_id", notification_id);
    owned
}

/// A report that is made.
async fn report(ada: &Person) -> String {
    let wanted = RequestReportRequest {
        request_id: fresh(),
        r#type: ReportType::Statement.into(),
        format: ReportFormat::Csv.into(),
        ..RequestReportRequest::default()
    };
    let wanted = ada.reports().request_report(wanted).await.unwrap();
    let report_id = wanted.into_inner().report.unwrap().report_id;
    arrives("the report", async || {
        let asked = GetReportRequest {
            report_id: report_id.clone(),
        };
        let shown = ada.reports().get_report(asked).await.unwrap().into_inner();
        (shown.report.unwrap().status() == ReportStatus::Completed).then_some(())
    })
    .await;
    report_id
}

/// The order a stranger could place into a portfolio of Ada's; none as it should be.
async fn ordered_into(eve: &Person, portfolio_id: &str) -> Option<Order> {
    let order = PlaceOrderRequest {
        request_id: fresh(),
        client_order_id: String::new(),
        terms: Some(OrderTerms {
            portfolio_id: portfolio_id.to_owned(),
            ..resting()
        }),
    };
    let placed = eve.orders().place_order(order).await.ok()?.into_inner();
    placed
        .order
        .filter(|order| order.status() != OrderStatus::Rejected)
}

/// What is wrong with how a stranger's attempt ended, if anything.
fn fault(
    ended: Result<Result<Bytes, Status>, tokio::time::error::Elapsed>,
    owned: &Owned,
) -> Option<String> {
    let answer = match ended {
        Err(_elapsed) => return Some("goes on and on".to_owned()),
        Ok(Err(status)) if matches!(status.code(), Code::PermissionDenied | Code::NotFound) => {
            return None;
        }
        Ok(Err(status)) => return Some(format!("is refused for another reason: {status:?}")),
        Ok(Ok(answer)) => answer,
    };
    let shown = owned.iter().find(|(_, value)| {
        answer
            .windows(value.len())
            .any(|part| part == value.as_bytes())
    });
    shown.map(|(name, _)| format!("shows Ada's {name}"))
}

#[tokio::test]
async fn no_customer_reaches_what_another_has() {
    let mut outcry = Outcry::new();
    outcry.up();
    let channel = connect(&outcry.data()).await;
    let password = "wrong staple battery";
    let ada = Person::register(&channel, "ada@tenants.example", password, "Ada").await;
    let eve = Person::register(&channel, "eve@tenants.example", password, "Eve").await;
    let owned = belongings(&ada).await;
    let mut wrong = Vec::new();
    let attempts = attempts(&owned);
    for attempt in &attempts {
        let calling = call(&eve, attempt.path, &attempt.message);
        let ended = tokio::time::timeout(ANSWERED_WITHIN, calling).await;
        if let Some(fault) = fault(ended, &owned) {
            wrong.push(format!("{} by {}: {fault}", attempt.path, attempt.named));
        }
    }
    if let Some(order) = ordered_into(&eve, &owned["portfolio_id"]).await {
        wrong.push(format!(
            "an order of Eve's goes into Ada's portfolio: {order:?}"
        ));
    }
    // The same calls work for Ada, so it was not the names that were wrong, and nothing is gone.
    for attempt in attempts.iter().filter(|attempt| attempt.is_read) {
        if let Err(status) = call(&ada, attempt.path, &attempt.message).await {
            wrong.push(format!(
                "{} by {}: refused to Ada: {status:?}",
                attempt.path, attempt.named
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let order_id = owned["order_id"].clone();
    let shown = ada
        .orders()
        .get_order(GetOrderRequest { order_id })
        .await
        .unwrap();
    let order = shown.into_inner().order.unwrap();
    assert_eq!(
        (order.status(), order.leaves_quantity),
        (OrderStatus::Open, 2)
    );
    outcry.stop();
}
