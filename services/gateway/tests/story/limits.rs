//! What one caller can do to the others: nothing.

use futures::future::join_all;
use outcry_contracts::users::v1::{LoginRequest, UpdateProfileRequest};
use outcry_gateway::{Config, Rate};
use outcry_mesh::Role;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::raw::{Answer, framed, probe, send};
use crate::rig::{Rig, user};

const PLACE: &str = "/outcry.orders.v1.OrderService/PlaceOrder";
const CANCEL: &str = "/outcry.orders.v1.OrderService/CancelOrder";
const LIST: &str = "/outcry.orders.v1.OrderService/ListOrders";

/// Orders a user of these stories may place at once; a second later, one more.
const BURST: u32 = 5;

fn reason(answer: &Answer) -> String {
    let info = answer.status.get_details_error_info();
    info.map(|info| info.reason).unwrap_or_default()
}

fn is_ok(answer: &Answer) -> bool {
    answer.status.code() == Code::Ok
}

async fn call(channel: &Channel, token: &str, path: &str) -> Answer {
    let token = format!("Bearer {token}");
    let headers = [("authorization", token.as_str())];
    send(channel, path, &headers, framed(0, &[])).await
}

fn tight() -> Config {
    let mut config = Config::default();
    config.rates.orders = Rate {
        per_second: 1,
        burst: BURST,
    };
    config
}

#[tokio::test]
async fn a_user_who_floods_disturbs_no_other_and_can_still_cancel() {
    let rig = Rig::with(tight()).await;
    probe(&rig.directory, "orders");
    let (flooding, quiet) = (
        rig.token(&user(7), Role::User),
        rig.token(&user(8), Role::User),
    );
    let (theirs, ours) = (rig.connect().await, rig.connect().await);
    let flood = join_all((0..200).map(|_| call(&theirs, &flooding, PLACE)));
    let cancels = join_all((0..50).map(|_| call(&theirs, &flooding, CANCEL)));
    let others = async {
        let mut answers = Vec::new();
        for _ in 0..BURST {
            answers.push(call(&ours, &quiet, PLACE).await);
            answers.push(call(&ours, &quiet, LIST).await);
            answers.push(call(&ours, &quiet, CANCEL).await);
        }
        answers
    };
    let (flood, cancels, others) = tokio::join!(flood, cancels, others);
    assert!(others.iter().all(is_ok), "the other user notices nothing");
    assert!(cancels.iter().all(is_ok), "cancellations have their own");
    let (let_in, refused): (Vec<Answer>, Vec<Answer>) = flood.into_iter().partition(is_ok);
    assert!(let_in.len() >= BURST as usize, "{}", let_in.len());
    assert!(refused.len() >= 100, "{}", refused.len());
    for answer in refused {
        assert_eq!(
            (answer.status.code(), reason(&answer).as_str()),
            (Code::ResourceExhausted, "RATE_LIMITED")
        );
        let info = answer.status.get_details_retry_info().unwrap();
        let wait = info.retry_delay.unwrap().as_millis();
        assert!((1..=1000).contains(&wait), "{wait}");
        assert_eq!(
            answer.said["grpc-retry-pushback-ms"],
            wait.to_string().as_str()
        );
    }
}

#[tokio::test]
async fn at_full_load_a_cancellation_still_finds_a_place() {
    let rig = Rig::with(Config {
        calls_max: 8,
        ..Config::default()
    })
    .await;
    probe(&rig.directory, "orders");
    let mut users = rig.users().await;
    let hang = |number: u128| {
        let hanging = UpdateProfileRequest {
            request_id: user(number),
            display_name: "hang".to_owned(),
            ..Default::default()
        };
        rig.by(&user(number), Role::User, hanging)
    };
    // Seven places of eight are for anything but cancellations.
    let hanging: Vec<_> = (1..8)
        .map(|number| {
            let (mut users, request) = (users.clone(), hang(number));
            tokio::spawn(async move { users.update_profile(request).await })
        })
        .collect();
    outcry_service::testing::eventually("seven calls are in progress", async || {
        rig.seen.lock().unwrap().len() == 7
    })
    .await;
    let eighth = users.update_profile(hang(8)).await.unwrap_err();
    let info = eighth.get_details_error_info().unwrap();
    assert_eq!(
        (eighth.code(), info.reason.as_str()),
        (Code::ResourceExhausted, "TOO_BUSY")
    );
    let (channel, token) = (rig.connect().await, rig.token(&user(8), Role::User));
    let listed = call(&channel, &token, LIST).await;
    assert_eq!(reason(&listed), "TOO_BUSY");
    assert!(is_ok(&call(&channel, &token, CANCEL).await));
    assert!(hanging.iter().all(|call| !call.is_finished()));
}

#[tokio::test]
async fn many_accounts_at_one_address_get_no_more_than_a_few_users() {
    let mut config = tight();
    config.rates.users_per_address = 2;
    let rig = Rig::with(config).await;
    probe(&rig.directory, "orders");
    let channel = rig.connect().await;
    let tokens: Vec<String> = (0..40)
        .map(|number| rig.token(&user(100 + number), Role::User))
        .collect();
    let orders = tokens
        .iter()
        .flat_map(|token| (0..BURST).map(|_| call(&channel, token, PLACE)));
    let answers = join_all(orders).await;
    let let_in = answers.iter().filter(|answer| is_ok(answer)).count();
    assert!(let_in >= 2 * BURST as usize, "{let_in}");
    assert!(let_in < answers.len() / 2, "{let_in}");
}

#[tokio::test]
async fn whoever_guesses_passwords_is_slowed_down_and_nobody_elsewhere() {
    let mut config = Config {
        trusted_proxies: vec!["127.0.0.0/8".to_owned()],
        ..Config::default()
    };
    config.rates.sign_ins = Rate {
        per_second: 1,
        burst: 10,
    };
    let rig = Rig::with(config).await;
    let mut users = rig.users().await;
    let mut guess = async |address: &str| {
        let mut request = Request::new(LoginRequest {
            email: "a@example.com".into(),
            password: "guessed".into(),
        });
        let address = address.parse().unwrap();
        request.metadata_mut().insert("x-forwarded-for", address);
        users.login(request).await.unwrap_err().code()
    };
    let mut taken = 0;
    while guess("192.0.2.1").await == Code::Unauthenticated {
        taken += 1;
        assert!(taken < 50, "never slowed down");
    }
    assert_eq!(guess("192.0.2.2").await, Code::Unauthenticated);
    assert_eq!(guess("2001:db8::1").await, Code::Unauthenticated);
}
