//! Whatever is sent to the public edge: it is answered, nothing breaks inside, and the books agree
//! afterwards.

use std::cell::Cell;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use outcry_contracts::METHODS;
use outcry_events::catalog::{CatalogMethod, catalog};
use outcry_events::descriptors;
use outcry_fuzz::{damaged, filled};
use outcry_payments::{Secret, Secrets};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use prost::Message as _;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Service as _, ServiceExt as _};

use super::outcry::Outcry;
use super::person::{Person, Signed, connect};

/// Calls that are made.
const CALLS: u32 = 1000;
/// Webhooks that are posted.
const LETTERS: u32 = 500;
/// How long one answer may take: generous, for a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

const SECRET: &str = "0123456789abcdef0123456789abcdef";

const LETTER_CORPUS: [&str; 3] = [
    r#"{"id":"evt-1","type":"payment.captured","payment_id":"p-1","reference":"r-1","amount":"12.00","currency":"USD"}"#,
    r#"{"id":"evt-2","type":"payment.declined","payment_id":"p-1","message":"no"}"#,
    r#"{"id":"evt-3","type":"payment.authorized","payment_id":"p-1"}"#,
];

/// Methods that are open to the outside.
fn open_methods() -> Vec<&'static CatalogMethod> {
    let is_open = |path: &str| {
        METHODS
            .iter()
            .any(|facts| facts.path == path && (facts.public || !facts.roles.is_empty()))
    };
    let methods = catalog().methods.iter();
    methods.filter(|method| is_open(method.path)).collect()
}

/// A valid request of a method, in the frame gRPC puts it in.
fn frame(method: &CatalogMethod) -> Vec<u8> {
    let descriptor = descriptors::message_of(&format!("type.googleapis.com/{}", method.request));
    framed(&filled(&descriptor.unwrap()).encode_to_vec())
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(message);
    bytes
}

/// Damaged within its frame, or together with it.
fn call() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let methods = open_methods();
    let corpus: Vec<Vec<u8>> = methods.iter().map(|method| frame(method)).collect();
    (0..methods.len(), any::<bool>()).prop_flat_map(move |(index, whole)| {
        let frame = corpus[index].clone();
        let body = if whole {
            damaged(vec![frame]).boxed()
        } else {
            let message = frame[5..].to_vec();
            damaged(vec![message])
                .prop_map(|message| framed(&message))
                .boxed()
        };
        (Just(index), body)
    })
}

/// What a call came to: the status of its head, or of its trailers.
async fn outcome(signed: &mut Signed, method: &CatalogMethod, body: Vec<u8>) -> Option<Status> {
    let request = Request::post(method.path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", "20S")
        .body(Body::new(
            http_body_util::Full::from(body).map_err(|never| match never {}),
        ))
        .unwrap();
    let response = signed.ready().await.unwrap().call(request).await.unwrap();
    let status = |headers: &HeaderMap| Status::from_header_map(headers);
    if let Some(status) = status(response.headers()) {
        return Some(status);
    }
    if method.server_streaming {
        // A stream that is open has been answered.
        return None;
    }
    let mut body = response.into_body();
    let frame = body.frame().await?.unwrap();
    match frame.into_trailers() {
        Ok(trailers) => status(&trailers),
        Err(_message) => status(body.frame().await?.unwrap().trailers_ref()?),
    }
}

fn is_a_break(code: Code) -> bool {
    matches!(
        code,
        Code::Internal | Code::Unknown | Code::DataLoss | Code::DeadlineExceeded
    )
}

#[test]
fn damaged_calls_and_webhooks_are_answered_and_change_nothing_by_halves() {
    let mut outcry = Outcry::with(vec![(
        "OUTCRY_PAYMENTS__WEBHOOK_SECRETS".to_owned(),
        format!("[\"{SECRET}\"]"),
    )]);
    // Every refusal is logged, which is more than a pipe nobody reads can hold.
    let log = outcry.folder().join("log");
    outcry.up_with_log(&log);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (channel, admin) = runtime.block_on(async {
        let channel = connect(&outcry.data()).await;
        let admin = Person::administrator(&channel, &outcry.data()).await;
        (channel, admin)
    });
    let user = runtime.block_on(Person::register(
        &channel,
        "damage@people.example",
        "correct horse battery",
        "Damage",
    ));
    let methods = open_methods();
    let answered = Cell::new(0_u32);
    let config = ProptestConfig {
        cases: CALLS,
        max_shrink_iters: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let ask = |mut signed: Signed, method: &CatalogMethod, body: &[u8]| {
        let asked = outcome(&mut signed, method, body.to_vec());
        let within = async { tokio::time::timeout(ANSWER_WITHIN, asked).await };
        runtime.block_on(within)
    };
    let called = TestRunner::new(config.clone()).run(&call(), |(index, body)| {
        let (method, path) = (methods[index], methods[index].path);
        for person in [&user, &admin] {
            let status = ask(person.signed(), method, &body)
                .map_err(|_elapsed| TestCaseError::fail(format!("{path}: no answer")))?;
            let broke = status.as_ref().filter(|status| is_a_break(status.code()));
            prop_assert!(broke.is_none(), "{path}: {broke:?}");
            answered.set(answered.get() + 1);
        }
        Ok(())
    });
    called.unwrap();
    assert!(answered.get() >= 2 * CALLS);

    let secrets = Secrets::new(vec![Secret::new(SECRET)]);
    let corpus = LETTER_CORPUS
        .map(|letter| letter.as_bytes().to_vec())
        .to_vec();
    let config = ProptestConfig {
        cases: LETTERS,
        ..config
    };
    let posted = TestRunner::new(config).run(&damaged(corpus), |letter| {
        let signature = secrets.sign(&letter, SystemTime::now()).unwrap();
        let request = Request::post("/webhooks/payments/sandbox")
            .header("content-type", "application/json")
            .header("outcry-signature", signature)
            .body(Body::new(
                http_body_util::Full::from(letter).map_err(|never| match never {}),
            ))
            .unwrap();
        let mut channel = channel.clone();
        let answer = async {
            let asked = async {
                let response = channel.ready().await.unwrap().call(request).await.unwrap();
                let (head, body) = response.into_parts();
                body.collect().await.unwrap();
                head.status
            };
            tokio::time::timeout(ANSWER_WITHIN, asked).await
        };
        let answer = runtime.block_on(answer);
        let status = answer.map_err(|_elapsed| TestCaseError::fail("no answer to a webhook"))?;
        // Letters about a payment nobody made may come again; nothing may break.
        prop_assert!(status.as_u16() != 500 && status.as_u16() != 501, "{status}");
        Ok(())
    });
    posted.unwrap();

    runtime.block_on(async {
        let again = Person::sign_in(&channel, "damage@people.example", "correct horse battery");
        assert_eq!(again.await.user_id, user.user_id);
    });
    // Payments and orders that damage has made may well be open for minutes.
    outcry.audit();
    outcry.stop();
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}
