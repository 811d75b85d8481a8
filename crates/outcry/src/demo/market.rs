//! The traders of the demo market.

use std::time::Duration;

use anyhow::Context as _;
use outcry_contracts::orders::v1::order_service_client::OrderServiceClient;
use outcry_contracts::orders::v1::{
    CancelOrderRequest, Order, OrderStatus, OrderTerms, OrderType, PlaceOrderRequest, Side,
    TimeInForce,
};
use outcry_events::Amount;
use rand::Rng as _;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use uuid::Uuid;

use crate::newcomer::Newcomer;
use crate::session::{self, SignedChannel};
use crate::site::Site;

/// Symbols that trade.
pub const SYMBOLS: usize = 3;

/// People who trade.
const TRADERS: usize = 6;

/// Cash a trader starts with, in currency units.
const CASH: i64 = 1_000_000;

/// Shares of each symbol a trader starts with.
const SHARES: i64 = 10_000;

/// Where prices start, in cents.
const FIRST_PRICE: i64 = 10_000;

/// Orders a trader leaves in the book; then the oldest is cancelled for a new one.
const RESTING_MAX: usize = 12;

/// Between two orders of a trader, at most: some ten orders a second in all, which people can follow, and which an
/// unoptimised build on a small machine keeps up with.
const PAUSE_MAX: Duration = Duration::from_millis(1_200);

/// One trader.
pub struct Trader {
    site: Site,
    email: String,
    password: String,
    signed: SignedChannel,
    symbols: Vec<String>,
    /// Orders believed to rest, oldest first.
    resting: Vec<String>,
}

/// The traders, registered and funded; at a later start, those of the first.
///
/// # Errors
/// The platform refuses.
pub async fn traders(
    site: &Site,
    admin: &SignedChannel,
    symbols: &[String],
) -> anyhow::Result<Vec<Trader>> {
    let mut traders = Vec::new();
    for number in 1..=TRADERS {
        let trader = hire(site, admin, symbols, number)
            .await
            .with_context(|| format!("making demo trader {number}"))?;
        traders.push(trader);
    }
    Ok(traders)
}

async fn hire(
    site: &Site,
    admin: &SignedChannel,
    symbols: &[String],
    number: usize,
) -> anyhow::Result<Trader> {
    let newcomer = Newcomer {
        email: format!("trader{number}@demo.example"),
        // Known to everybody: a demo account with demo money, on a platform that was asked for it.
        password: format!("demo-trader-{number}"),
        display_name: format!("Demo trader {number}"),
        name: format!("demo trader {number}"),
        symbols,
        shares: SHARES,
        cash: CASH,
    };
    let signed = newcomer.welcome(site, admin).await?;
    Ok(Trader {
        site: site.clone(),
        email: newcomer.email,
        password: newcomer.password,
        signed,
        symbols: symbols.to_vec(),
        resting: Vec::new(),
    })
}

// === impl Trader ===

impl Trader {
    /// Trades until told to stop. A call that fails is given up, and the next one tried.
    pub async fn trade(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match self.act().await {
                Ok(()) => random(PAUSE_MAX),
                Err(status) => {
                    if status.code() == Code::Unauthenticated {
                        self.sign_in_again().await;
                    }
                    tracing::debug!(code = ?status.code(), "a demo trader's call failed");
                    PAUSE_MAX
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn act(&mut self) -> Result<(), tonic::Status> {
        let mut orders = OrderServiceClient::new(self.signed.clone());
        if self.resting.len() >= RESTING_MAX {
            let request = CancelOrderRequest {
                request_id: Uuid::now_v7().to_string(),
                order_id: self.resting.remove(0),
            };
            orders.cancel_order(request).await?;
        }
        let symbol = self.symbols[below(self.symbols.len())].clone();
        let request = PlaceOrderRequest {
            request_id: Uuid::now_v7().to_string(),
            client_order_id: String::new(),
            terms: Some(self.terms(symbol).await?),
        };
        let placed = orders.place_order(request).await?.into_inner().order;
        if let Some(order) = placed.filter(rests) {
            self.resting.push(order.order_id);
        }
        Ok(())
    }

    /// Terms around the last price: mostly a little away from it, sometimes across it.
    async fn terms(&self, symbol: String) -> Result<OrderTerms, tonic::Status> {
        use outcry_contracts::trades::v1::GetBookRequest;
        use outcry_contracts::trades::v1::trade_service_client::TradeServiceClient;
        let request = GetBookRequest {
            symbol: symbol.clone(),
            depth: 1,
        };
        let book = TradeServiceClient::new(self.signed.clone())
            .get_book(request)
            .await?
            .into_inner();
        let last = Amount::from_required(book.last_price.as_ref())
            .map_or(FIRST_PRICE, |price| price.raw() / 100);
        let side = if below(2) == 0 { Side::Buy } else { Side::Sell };
        // From 30 cents behind the last price to 10 cents beyond it.
        let distance = i64::try_from(below(41)).unwrap_or(0) - 10;
        let cents = match side {
            Side::Sell => last + distance,
            _ => last - distance,
        };
        let price = Amount::from_raw(cents.max(1) * 100).unwrap_or_default();
        Ok(OrderTerms {
            symbol,
            side: side.into(),
            r#type: OrderType::Limit.into(),
            quantity: i64::try_from(below(20)).unwrap_or(0) * 5 + 5,
            limit_price: Some(price.to_money()),
            time_in_force: TimeInForce::Gtc.into(),
            post_only: false,
            ..Default::default()
        })
    }

    async fn sign_in_again(&mut self) {
        let Ok(channel) = self.site.connect().await else {
            return;
        };
        if let Ok(signed) = session::sign_in(channel, &self.email, &self.password).await {
            self.signed = signed;
        }
    }
}

fn rests(order: &Order) -> bool {
    matches!(
        order.status(),
        OrderStatus::Open | OrderStatus::PartiallyFilled | OrderStatus::Validated
    )
}

/// A number below `bound`.
fn below(bound: usize) -> usize {
    rand::rng().random_range(0..bound.max(1))
}

fn random(most: Duration) -> Duration {
    most.mul_f64(rand::rng().random::<f64>())
}
