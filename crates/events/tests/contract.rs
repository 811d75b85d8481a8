//! Real events of the contract, from decision to reader.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot set up its events should panic"
)]

use std::time::{Duration, UNIX_EPOCH};

use outcry_contracts::orders::v1::{
    OrderCreatedEvent, OrderTerms, OrderType, OrderValidatedEvent, Side, TimeInForce,
};
use outcry_contracts::types::v1::{AssetAmount, asset_amount::Asset};
use outcry_contracts::users::v1::UserCreatedEvent;
use outcry_events::json::{self, Personal};
use outcry_events::{
    Amount, Cause, EventSet, PayloadError, SealError, SealedEvent, Stamp, catalog, seal,
};
use serde_json::json;
use uuid::Uuid;

outcry_events::event_set! {
    /// The beginning of an order.
    enum OrderEvent {
        Created(OrderCreatedEvent),
        Validated(OrderValidatedEvent),
    }
}

const ORDER: Uuid = Uuid::from_u128(0x0d);
const USER: Uuid = Uuid::from_u128(0x05);

fn terms() -> OrderTerms {
    OrderTerms {
        symbol: "AAPL".to_owned(),
        side: Side::Buy.into(),
        r#type: OrderType::Limit.into(),
        quantity: 10,
        limit_price: Some(price().to_money()),
        time_in_force: TimeInForce::Gtc.into(),
        post_only: false,
        ..Default::default()
    }
}

fn price() -> Amount {
    "101.25".parse().expect("a price")
}

fn created() -> OrderCreatedEvent {
    OrderCreatedEvent {
        order_id: ORDER.to_string(),
        user_id: USER.to_string(),
        client_order_id: String::new(),
        terms: Some(terms()),
    }
}

fn validated() -> OrderValidatedEvent {
    let cost = price().checked_mul(10).expect("a cost");
    OrderValidatedEvent {
        order_id: ORDER.to_string(),
        user_id: USER.to_string(),
        terms: Some(terms()),
        locked: Some(AssetAmount {
            asset: Some(Asset::Cash(cost.to_money())),
        }),
        protection_price: Some(price().to_money()),
    }
}

fn stamp(sequence: u64, cause: &Cause) -> Stamp<'_> {
    let now = UNIX_EPOCH + Duration::from_secs(1_750_000_000) + Duration::from_secs(sequence);
    Stamp {
        event_id: Uuid::from_u128(0xe0 + u128::from(sequence)),
        sequence,
        occurred_at: now,
        recorded_at: now,
        cause,
    }
}

fn command() -> Cause {
    Cause::root(Uuid::from_u128(0xc0), format!("user:{USER}"))
}

#[test]
fn a_decision_is_sealed_and_read_back_as_the_same_events() {
    let root = command();
    let first = OrderEvent::from(created())
        .seal(stamp(1, &root))
        .expect("sealed");
    let cause = first.cause("service:orders");
    let second = OrderEvent::from(validated())
        .seal(stamp(2, &cause))
        .expect("sealed");

    let read: Vec<OrderEvent> = [&first, &second]
        .map(|event| SealedEvent::open(event.bytes().clone()).expect("opened"))
        .iter()
        .map(|event| OrderEvent::open(event).expect("an order event"))
        .collect();

    assert_eq!(read, [created().into(), validated().into()]);
    assert_eq!(first.stream(), format!("order-{ORDER}"));
    assert_eq!(second.stream(), first.stream());
    assert_eq!(second.correlation_id(), first.correlation_id());
    assert_eq!(second.causation_id(), Some(first.id()));
    assert_eq!(first.subjects().expect("subjects"), [USER.to_string()]);
    assert_eq!(first.facts().map(|facts| facts.owner), Some("orders"));
}

#[test]
fn a_decision_that_breaks_the_contract_is_not_sealed() {
    let root = command();
    let mut nothing_wanted = created();
    nothing_wanted.terms.as_mut().expect("terms").quantity = 0;
    let refused = seal(&nothing_wanted, stamp(1, &root)).expect_err("refused");
    assert!(
        matches!(&refused, SealError::Payload { topic: "order.created", violations }
        if violations.list[0].field == "terms.quantity")
    );
    assert!(!refused.to_string().contains(&USER.to_string()));
}

#[test]
fn an_event_of_another_aggregate_is_none_of_the_set() {
    let root = command();
    let user = UserCreatedEvent {
        user_id: USER.to_string(),
        ..UserCreatedEvent::default()
    };
    let sealed = seal(&user, stamp(1, &root)).expect("sealed");
    assert!(matches!(
        OrderEvent::open(&sealed),
        Err(PayloadError::OtherEvent { found, .. }) if found == "user.created"
    ));
}

#[test]
fn an_event_is_shown_with_its_payload_in_place() {
    let root = command();
    let sealed = seal(&created(), stamp(1, &root)).expect("sealed");
    let shown = json::event(&sealed, Personal::Hidden);
    assert_eq!(
        shown["payload"],
        json!({
            "@type": "type.googleapis.com/outcry.orders.v1.OrderCreatedEvent",
            "orderId": ORDER.to_string(),
            "userId": USER.to_string(),
            "terms": {
                "symbol": "AAPL",
                "side": "SIDE_BUY",
                "type": "ORDER_TYPE_LIMIT",
                "quantity": "10",
                "limitPrice": {
                    "currencyCode": "USD",
                    "units": "101",
                    "nanos": 250_000_000,
                },
                "timeInForce": "TIME_IN_FORCE_GTC",
            },
        })
    );
}

#[test]
fn personal_data_is_neither_shown_nor_logged() {
    let root = command();
    let user = UserCreatedEvent {
        user_id: USER.to_string(),
        display_name: "Ada Lovelace".to_owned(),
        ..UserCreatedEvent::default()
    };
    let sealed = seal(&user, stamp(1, &root)).expect("sealed");

    let hidden = json::event(&sealed, Personal::Hidden);
    assert_eq!(hidden["payload"]["displayName"], json::HIDDEN);
    let shown = json::event(&sealed, Personal::Shown);
    assert_eq!(shown["payload"]["displayName"], "Ada Lovelace");
    assert!(!format!("{sealed:?}").contains("Ada"));
}

#[test]
fn the_catalog_tells_what_an_order_event_holds() {
    let entry = catalog::catalog()
        .by_topic("order.created")
        .expect("an entry");
    assert_eq!(entry.owner, "orders");
    assert_eq!(entry.description, "A user placed an order.");
    assert_eq!(entry.partition_key_field, "order_id");
    assert_eq!(entry.subject_fields, ["user_id"]);
    let names: Vec<&str> = entry
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(names, ["order_id", "user_id", "client_order_id", "terms"]);
    assert_eq!(entry.fields[3].type_name, "outcry.orders.v1.OrderTerms");
    assert_eq!(entry.fields[3].rules, ["required"]);

    let side = &catalog::catalog().types["outcry.orders.v1.OrderTerms"].fields[1];
    assert_eq!(side.type_name, "outcry.orders.v1.Side");
    assert_eq!(
        side.rules,
        ["one of the declared values", "none of SIDE_UNSPECIFIED"]
    );
}
