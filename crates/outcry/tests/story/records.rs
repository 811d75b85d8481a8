//! Who did what, and who was refused what, stays on record: the records name it, cannot be changed
//! unseen, and tell no secret.

use std::path::Path;

use outcry_contracts::funds::v1::{ListAccountsRequest, LockFundsRequest};
use outcry_contracts::orders::v1::{
    GetOrderRequest, OrderTerms, OrderType, PlaceOrderRequest, Side, TimeInForce,
};
use outcry_contracts::users::v1::GetMeRequest;
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use outcry_sqlite::rusqlite::{Connection, params};
use serde_json::Value;
use tonic::{Code, Request};

use super::outcry::Outcry;
use super::person::{Person, connect, fresh, money};

const PASSWORD: &str = "correct horse battery";

/// A token that is none, and must not be found anywhere afterwards.
const FORGED: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.c2lnbmF0dXJl";

/// Everything that is asked of the platform; the id of who asked.
async fn ask(data: &Path) -> String {
    let channel = connect(data).await;
    let ada = Person::register(&channel, "ada@story.example", PASSWORD, "Ada").await;
    let terms = OrderTerms {
        symbol: "AAPL".to_owned(),
        side: Side::Buy.into(),
        r#type: OrderType::Limit.into(),
        quantity: 1,
        limit_price: money("10"),
        time_in_force: TimeInForce::Gtc.into(),
        ..OrderTerms::default()
    };
    let order = PlaceOrderRequest {
        request_id: fresh(),
        client_order_id: String::new(),
        terms: Some(terms),
    };
    ada.orders().place_order(order).await.unwrap();

    let (mut funds, mut orders) = (ada.funds(), ada.orders());
    let forbidden = funds.list_accounts(ListAccountsRequest::default()).await;
    assert_eq!(forbidden.unwrap_err().code(), Code::PermissionDenied);
    let hidden = funds.lock_funds(LockFundsRequest::default()).await;
    assert_eq!(hidden.unwrap_err().code(), Code::Unimplemented);
    let absent = GetOrderRequest { order_id: fresh() };
    let absent = orders.get_order(absent).await;
    assert_eq!(absent.unwrap_err().code(), Code::NotFound);
    let mut forged = Request::new(GetMeRequest {});
    let header = format!("Bearer {FORGED}").parse().unwrap();
    forged.metadata_mut().insert("authorization", header);
    let refused = UserServiceClient::new(channel.clone()).get_me(forged).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    let wrong = Person::try_sign_in(&channel, "ada@story.example", "wrong horse battery").await;
    assert!(wrong.is_err());
    ada.user_id
}

/// The records of one kind about one method, by the words they must have.
fn count(records: &Value, kind: &str, method: &str, code: &str, user: &str) -> usize {
    let records = records.as_array().unwrap().iter();
    records
        .filter(|record| {
            record["kind"] == kind
                && record["method"].as_str().unwrap().ends_with(method)
                && record["code"] == code
                && record["user"] == user
        })
        .count()
}

/// What the audit says about records; it must fail exactly when there is something.
fn breaches(outcry: &Outcry) -> Vec<String> {
    let output = outcry.verb(&["audit", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let breaches = report["breaches"].as_array().unwrap();
    assert_eq!(output.status.success(), breaches.is_empty());
    let breaches = breaches.iter();
    breaches
        .map(|breach| {
            assert_eq!(breach["invariant"], "calls", "{breach:#}");
            breach["subject"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn what_was_done_and_what_was_refused_is_on_record_and_no_byte_of_it_can_be_changed_unseen() {
    let mut outcry = Outcry::with(vec![("OUTCRY_LOG".to_owned(), "debug".to_owned())]);
    let log = outcry.folder().join("log");
    outcry.up_with_log(&log);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ada = runtime.block_on(ask(&outcry.data()));
    drop(runtime);
    outcry.stop();

    assert_eq!(breaches(&outcry), Vec::<String>::new());
    let all = outcry.json(&["audit", "calls", "--json"]);
    for (kind, method, code, user) in [
        ("call", "/Register", "Ok", ""),
        ("call", "/Login", "Ok", ""),
        ("call", "/Login", "Unauthenticated", ""),
        ("call", "/PlaceOrder", "Ok", ada.as_str()),
        ("denial", "/ListAccounts", "PermissionDenied", &ada),
        ("denial", "/LockFunds", "Unimplemented", ""),
        ("denial", "/GetMe", "Unauthenticated", ""),
    ] {
        let found = count(&all, kind, method, code, user);
        assert_eq!(found, 1, "{kind} {method} {code}: {all:#}");
    }
    assert_eq!(count(&all, "call", "/GetOrder", "NotFound", &ada), 0);
    let hers = outcry.json(&["audit", "calls", "--json", "--user", &ada]);
    assert!(hers.as_array().unwrap().len() >= 2, "{hers:#}");
    let later = outcry.json(&[
        "audit",
        "calls",
        "--json",
        "--since",
        "2999-01-01T00:00:00Z",
    ]);
    assert_eq!(later, serde_json::json!([]));

    let said = std::fs::read_to_string(&log).unwrap() + &all.to_string();
    assert!(said.contains("PlaceOrder"), "the log says something");
    for secret in [PASSWORD, "wrong horse battery", FORGED, "eyJ", "ada@story"] {
        assert!(
            !said.contains(secret),
            "`{secret}` is in the log or the records"
        );
    }

    let database = Connection::open(outcry.data().join("outcry.db")).unwrap();
    let table = "orders_views";
    let (key, body): (String, Vec<u8>) = database
        .query_row(
            &format!(
                "SELECT key, body FROM {table} WHERE view = 'call_records' \
                 AND instr(body, CAST('PlaceOrder' AS BLOB)) > 0"
            ),
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let write = |body: &[u8]| {
        let changed = database.execute(
            &format!("UPDATE {table} SET body = ?1 WHERE view = 'call_records' AND key = ?2"),
            params![body, key],
        );
        assert_eq!(changed.unwrap(), 1);
    };
    let mut flipped = body.clone();
    let last = flipped.len() - 1;
    flipped[last / 2] ^= 1;
    write(&flipped);
    assert_eq!(breaches(&outcry), [format!("orders record {key}")]);
    write(&body);
    assert_eq!(breaches(&outcry), Vec::<String>::new());

    let deleted: String = database
        .query_row(
            &format!(
                "DELETE FROM {table} WHERE view = 'call_records' AND key = \
                 (SELECT max(key) FROM {table} WHERE view = 'call_records') RETURNING key"
            ),
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(breaches(&outcry), [format!("orders record {deleted}")]);
}
