//! People who trade, slowly enough for any machine: somebody bids, somebody offers, around a price
//! that moves up and down.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use outcry_contracts::funds::v1::IssueSharesRequest;
use outcry_contracts::orders::v1::{
    CancelOrderRequest, OrderTerms, OrderType, PlaceOrderRequest, RejectReason, Side, TimeInForce,
};
use outcry_contracts::payments::v1::CreatePaymentRequest;
use outcry_contracts::types::v1::Shares;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use super::person::{Person, arrives, connect, fresh, money};

/// What is traded.
const SYMBOLS: [&str; 2] = ["GOOG", "MSFT"];

/// The price in the middle, in cents.
const MIDDLE: f64 = 10_000.0;

/// How it moves: waves, each with its height in cents and its length in steps.
const WAVES: [(f64, f64); 3] = [(30.0, 41.0), (17.0, 13.7), (8.0, 5.3)];

/// Steps before anybody looks, without a pause, so that there is a book and a past.
const STEPS_BEFORE: u32 = 90;

/// Between two steps afterwards.
const PAUSE: Duration = Duration::from_millis(400);

/// Orders somebody leaves in a book; then the oldest is cancelled.
const RESTING_MAX: usize = 22;

/// What both begin with.
const CASH: &str = "1000000";
const SHARES: i64 = 100_000;

/// One of the two.
struct Trader {
    person: Person,
    side: Side,
    resting: VecDeque<String>,
}

/// Both at work until this is dropped.
pub struct Crowd {
    task: JoinHandle<()>,
}

// === impl Crowd ===

impl Crowd {
    /// Has both trade, and goes on when there is something to see.
    pub async fn gather(data: &Path) -> Self {
        let channel = connect(data).await;
        let admin = Person::administrator(&channel, data).await;
        let mut traders = [
            Trader::come(&channel, &admin, "Asha", Side::Sell).await,
            Trader::come(&channel, &admin, "Ben", Side::Buy).await,
        ];
        for number in 0..STEPS_BEFORE {
            step(&mut traders, number).await;
        }
        let task = tokio::spawn(async move {
            for number in STEPS_BEFORE.. {
                step(&mut traders, number).await;
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { task }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One order, now of the one and now of the other.
async fn step(traders: &mut [Trader; 2], number: u32) {
    let symbol = SYMBOLS[(number / 2) as usize % SYMBOLS.len()];
    let waves = WAVES.map(|(height, length)| height * (f64::from(number) / length).sin());
    let middle = MIDDLE + waves.iter().sum::<f64>();
    // Mostly a little away from the middle, every third time across it.
    let away = [3.0, 9.0, -4.0, 5.0, 14.0, -6.0, 7.0][number as usize % 7];
    let trader = &mut traders[number as usize % 2];
    let price = match trader.side {
        Side::Sell => middle + away,
        _ => middle - away,
    };
    let quantity = 1 + i64::from(number * 7 % 12);
    trader.order(symbol, price / 100.0, quantity).await;
}

// === impl Trader ===

impl Trader {
    /// Somebody registers and gets cash and shares.
    async fn come(channel: &Channel, admin: &Person, name: &str, side: Side) -> Self {
        let email = format!("{name}@crowd.example").to_lowercase();
        let person = Person::register(channel, &email, "correct horse battery", name).await;
        person.has_cash("0", "0").await;
        let deposit = CreatePaymentRequest {
            request_id: fresh(),
            amount: money(CASH),
        };
        person.payments().create_payment(deposit).await.unwrap();
        for symbol in SYMBOLS {
            let request = IssueSharesRequest {
                request_id: fresh(),
                user_id: person.user_id.clone(),
                shares: Some(Shares {
                    symbol: symbol.to_owned(),
                    quantity: SHARES,
                }),
            };
            admin.funds().issue_shares(request).await.unwrap();
        }
        person.has_cash(CASH, "0").await;
        let mut trader = Self {
            person,
            side,
            resting: VecDeque::new(),
        };
        // An account that was just opened is not ready everywhere at once.
        let far = match side {
            Side::Sell => 130.0,
            _ => 70.0,
        };
        arrives("the first order", async || {
            trader.order(SYMBOLS[0], far, 1).await.then_some(())
        })
        .await;
        trader
    }

    /// Places a limit order; whether it was taken.
    async fn order(&mut self, symbol: &str, price: f64, quantity: i64) -> bool {
        if self.resting.len() >= RESTING_MAX {
            let request = CancelOrderRequest {
                request_id: fresh(),
                order_id: self.resting.pop_front().unwrap(),
            };
            // It may have been filled meanwhile.
            let _ended = self.person.orders().cancel_order(request).await;
        }
        let request = PlaceOrderRequest {
            request_id: fresh(),
            terms: Some(OrderTerms {
                symbol: symbol.to_owned(),
                side: self.side.into(),
                r#type: OrderType::Limit.into(),
                quantity,
                limit_price: money(&format!("{price:.2}")),
                time_in_force: TimeInForce::Gtc.into(),
                ..OrderTerms::default()
            }),
            ..PlaceOrderRequest::default()
        };
        // A platform that is busy refuses sometimes; the next step is another order.
        let Ok(placed) = self.person.orders().place_order(request).await else {
            return false;
        };
        let order = placed.into_inner().order.unwrap();
        let taken = order.reject_reason() == RejectReason::Unspecified;
        if taken && order.cumulative_quantity < quantity {
            self.resting.push_back(order.order_id);
        }
        taken
    }
}
