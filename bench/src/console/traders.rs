//! People who place orders and take them back at a steady pace, and somebody who counts the events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use outcry_contracts::eventlog::v1::SubscribeRequest;
use outcry_contracts::eventlog::v1::event_log_service_client::EventLogServiceClient;
use outcry_contracts::funds::v1::IssueSharesRequest;
use outcry_contracts::funds::v1::funds_service_client::FundsServiceClient;
use outcry_contracts::orders::v1::order_service_client::OrderServiceClient;
use outcry_contracts::orders::v1::{
    CancelOrderRequest, OrderTerms, OrderType, PlaceOrderRequest, Side, TimeInForce,
};
use outcry_contracts::payments::v1::CreatePaymentRequest;
use outcry_contracts::payments::v1::payment_service_client::PaymentServiceClient;
use outcry_contracts::types::v1::{Money, Shares};
use outcry_contracts::users::v1::user_service_client::UserServiceClient;
use outcry_contracts::users::v1::{LoginRequest, RegisterRequest};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use uuid::Uuid;

use super::platform::Platform;

/// People, half of whom bid and half offer.
const PEOPLE: u32 = 8;

/// What is traded.
const SYMBOL: &str = "GOOG";

/// What everybody begins with.
const CASH: i64 = 1_000_000;
const SHARES: i64 = 1_000_000;

/// Events of an order that is placed and taken back, about: a first guess, mended by what is counted.
const EVENTS_OF_ORDER: f64 = 8.0;

/// By how much the pace may differ from the guess: more would only drown a platform that cannot keep up.
const MENDED_MAX: f64 = 1.5;

/// One order of so many is at the price where both meet, and is traded.
const MEETS_EVERY: u64 = 10;

/// How often the pace is mended.
const MENDED_EVERY: Duration = Duration::from_secs(1);

/// How long an account may take to open.
const OPENS_MAX: Duration = Duration::from_secs(30);

/// Between two attempts.
const LOOK: Duration = Duration::from_millis(100);

/// A transport that signs every call.
type Signed = InterceptedService<Channel, Bearer>;

/// Adds the access token.
#[derive(Clone)]
struct Bearer(MetadataValue<Ascii>);

/// All of them at work, until the end.
pub struct Traders {
    tasks: JoinSet<()>,
    counted: Arc<AtomicU64>,
}

/// Events from a moment on.
pub struct Flowed {
    counted: Arc<AtomicU64>,
    from: u64,
    since: Instant,
}

/// Everybody's pause between two orders, in nanoseconds.
type Pause = Arc<AtomicU64>;

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, tonic::Status> {
        let header = self.0.clone();
        request.metadata_mut().insert("authorization", header);
        Ok(request)
    }
}

// === impl Traders ===

impl Traders {
    /// Has them begin, so that about so many events a second flow.
    pub async fn begin(platform: &Platform, events: u32) -> anyhow::Result<Self> {
        let known = platform.administrator()?;
        let channel = platform.connect().await?;
        let (admin, _) = sign_in(&channel, &known.email, &known.password).await?;
        let counted = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(count(admin.clone(), Arc::clone(&counted)));
        let orders = f64::from(events) / EVENTS_OF_ORDER / f64::from(PEOPLE);
        let guess = 1e9 / orders;
        let pause: Pause = Arc::new(AtomicU64::new(guess as u64));
        for number in 0..PEOPLE {
            let person = come(platform.connect().await?, &admin, number).await?;
            tasks.spawn(trade(person, number, Arc::clone(&pause)));
        }
        tasks.spawn(mend(pause, guess, Arc::clone(&counted), f64::from(events)));
        Ok(Self { tasks, counted })
    }

    /// Counts from now on.
    pub fn count(&self) -> Flowed {
        Flowed {
            counted: Arc::clone(&self.counted),
            from: self.counted.load(Ordering::Relaxed),
            since: Instant::now(),
        }
    }

    /// Ends all of it.
    pub fn end(mut self) {
        self.tasks.abort_all();
    }
}

// === impl Flowed ===

impl Flowed {
    /// Events a second until now.
    pub fn per_second(&self) -> f64 {
        let events = self.counted.load(Ordering::Relaxed) - self.from;
        events as f64 / self.since.elapsed().as_secs_f64()
    }
}

async fn sign_in(
    channel: &Channel,
    email: &str,
    password: &str,
) -> anyhow::Result<(Signed, String)> {
    let request = LoginRequest {
        email: email.to_owned(),
        password: password.to_owned(),
    };
    let mut users = UserServiceClient::new(channel.clone());
    let reply = users.login(request).await?.into_inner();
    let token = reply.tokens.context("no token")?.access_token;
    let bearer = Bearer(format!("Bearer {token}").parse()?);
    let user = reply.user.context("no user")?;
    Ok((
        InterceptedService::new(channel.clone(), bearer),
        user.user_id,
    ))
}

/// Somebody registers and gets cash and shares.
async fn come(channel: Channel, admin: &Signed, number: u32) -> anyhow::Result<Signed> {
    let email = format!("trader{number}@bench.example");
    let password = "correct horse battery";
    let request = RegisterRequest {
        request_id: id(),
        email: email.clone(),
        password: password.to_owned(),
        display_name: format!("Trader {number}"),
    };
    UserServiceClient::new(channel.clone())
        .register(request)
        .await?;
    let (person, user_id) = sign_in(&channel, &email, password).await?;
    let issue = IssueSharesRequest {
        request_id: id(),
        user_id,
        shares: Some(Shares {
            symbol: SYMBOL.to_owned(),
            quantity: SHARES,
        }),
    };
    let mut funds = FundsServiceClient::new(admin.clone());
    let opened = async {
        while funds.issue_shares(issue.clone()).await.is_err() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(OPENS_MAX, opened)
        .await
        .context("an account did not open")?;
    let deposit = CreatePaymentRequest {
        request_id: id(),
        amount: dollars(CASH),
    };
    let mut payments = PaymentServiceClient::new(person.clone());
    payments.create_payment(deposit).await?;
    Ok(person)
}

/// Places an order after every pause, and takes back what does not trade.
async fn trade(person: Signed, number: u32, pause: Pause) {
    let mut orders = OrderServiceClient::new(person);
    let (side, apart) = match number % 2 {
        0 => (Side::Buy, -1),
        _ => (Side::Sell, 1),
    };
    let mut due = tokio::time::Instant::now();
    for step in 1_u64.. {
        due += Duration::from_nanos(pause.load(Ordering::Relaxed));
        // Who is late does not hurry: the pace is mended by what is counted.
        due = due.max(tokio::time::Instant::now());
        tokio::time::sleep_until(due).await;
        let meets = step.is_multiple_of(MEETS_EVERY);
        let away = if meets { 0 } else { 1 + (step % 9) as i64 };
        let request = PlaceOrderRequest {
            request_id: id(),
            terms: Some(OrderTerms {
                symbol: SYMBOL.to_owned(),
                side: side.into(),
                r#type: OrderType::Limit.into(),
                quantity: 1 + (step % 5) as i64,
                limit_price: dollars(100 + apart * away),
                time_in_force: TimeInForce::Gtc.into(),
                ..OrderTerms::default()
            }),
            ..PlaceOrderRequest::default()
        };
        // What a busy platform refuses is missing in what is counted, and nowhere else.
        let Ok(placed) = orders.place_order(request).await else {
            continue;
        };
        let Some(order) = placed.into_inner().order.filter(|_| !meets) else {
            continue;
        };
        let request = CancelOrderRequest {
            request_id: id(),
            order_id: order.order_id,
        };
        let _ended = orders.cancel_order(request).await;
    }
}

/// Counts events as the console's streams have them.
async fn count(admin: Signed, counted: Arc<AtomicU64>) {
    let mut log = EventLogServiceClient::new(admin);
    loop {
        let request = SubscribeRequest {
            from_now: true,
            ..SubscribeRequest::default()
        };
        if let Ok(reply) = log.subscribe(request).await {
            let mut events = reply.into_inner();
            while let Ok(Some(_)) = events.message().await {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Makes the pause shorter while too few events flow, and longer while there are too many.
async fn mend(pause: Pause, guess: f64, counted: Arc<AtomicU64>, wanted: f64) {
    let mut ticks = tokio::time::interval(MENDED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut before = counted.load(Ordering::Relaxed);
    loop {
        ticks.tick().await;
        let now = counted.load(Ordering::Relaxed);
        // Never by more than a tenth: what is counted comes some time after the orders.
        let change = ((now - before) as f64 / wanted).clamp(0.9, 1.1);
        before = now;
        let longer = pause.load(Ordering::Relaxed) as f64 * change;
        pause.store(
            longer.clamp(guess / MENDED_MAX, guess * MENDED_MAX) as u64,
            Ordering::Relaxed,
        );
    }
}

fn dollars(units: i64) -> Option<Money> {
    Some(Money {
        currency_code: "USD".to_owned(),
        units,
        nanos: 0,
    })
}

fn id() -> String {
    Uuid::now_v7().to_string()
}
