//! One who sells and one who buys the same: each sale is there before the purchase that takes it.

use std::time::Instant;

use anyhow::{Context as _, bail};
use outcry_contracts::orders::v1::order_service_client::OrderServiceClient;
use outcry_contracts::orders::v1::{
    OrderStatus, OrderTerms, OrderType, PlaceOrderRequest, Side, TimeInForce,
};
use outcry_contracts::types::v1::Money;
use uuid::Uuid;

use crate::arguments::Bench;
use crate::fixed_id::fixed_id;
use crate::newcomer::Newcomer;
use crate::session::SignedChannel;
use crate::site::Site;

/// Orders of one trip.
pub const TRIP: u32 = 2;

/// What everybody has at first: more than all orders of many runs are worth.
const CASH: i64 = 500_000_000;
const SHARES: i64 = 5_000_000;

/// The two of them.
pub struct Pair {
    seller: SignedChannel,
    buyer: SignedChannel,
    symbol: String,
    price: u32,
}

/// An order that was answered.
pub struct Answered {
    pub order_id: String,
    pub side: Side,
    pub sent: Instant,
    pub answered: Instant,
}

// === impl Pair ===

impl Pair {
    /// Registers, funds and signs in both. Whoever is there from an earlier run just signs in.
    ///
    /// # Errors
    /// The platform refuses, or funding takes longer than a minute.
    pub async fn hire(
        site: &Site,
        admin: &SignedChannel,
        bench: &Bench,
        number: u32,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            seller: hire_one(site, admin, bench, &format!("seller{number}")).await?,
            buyer: hire_one(site, admin, bench, &format!("buyer{number}")).await?,
            symbol: bench.symbol.clone(),
            price: bench.price,
        })
    }

    /// Sells one share, and then buys one.
    ///
    /// # Errors
    /// One of the two orders was refused.
    pub async fn trip(&self) -> anyhow::Result<[Answered; TRIP as usize]> {
        let sale = self.place(&self.seller, Side::Sell).await?;
        let purchase = self.place(&self.buyer, Side::Buy).await?;
        Ok([sale, purchase])
    }

    async fn place(&self, who: &SignedChannel, side: Side) -> anyhow::Result<Answered> {
        let request = PlaceOrderRequest {
            request_id: Uuid::now_v7().to_string(),
            terms: Some(OrderTerms {
                symbol: self.symbol.clone(),
                side: side.into(),
                r#type: OrderType::Limit.into(),
                quantity: 1,
                limit_price: Some(Money {
                    currency_code: "USD".to_owned(),
                    units: i64::from(self.price),
                    nanos: 0,
                }),
                time_in_force: TimeInForce::Gtc.into(),
                ..OrderTerms::default()
            }),
            ..PlaceOrderRequest::default()
        };
        let sent = Instant::now();
        let reply = OrderServiceClient::new(who.clone())
            .place_order(request)
            .await
            .context("placing an order")?;
        let answered = Instant::now();
        let order = reply.into_inner().order.context("no order was answered")?;
        if order.status() == OrderStatus::Rejected {
            bail!("an order was rejected: {}", order.message);
        }
        Ok(Answered {
            order_id: order.order_id,
            side,
            sent,
            answered,
        })
    }
}

async fn hire_one(
    site: &Site,
    admin: &SignedChannel,
    bench: &Bench,
    name: &str,
) -> anyhow::Result<SignedChannel> {
    let (run, symbol) = (&bench.run, &bench.symbol);
    let newcomer = Newcomer {
        email: format!("{name}.{}@bench.example", fixed_id(run, "mailbox")),
        password: fixed_id(run, &format!("password of {name}")),
        display_name: format!("Bench {name}"),
        name: format!("bench {run}/{name}"),
        symbols: std::slice::from_ref(symbol),
        shares: SHARES,
        cash: CASH,
    };
    newcomer.settle_in(site, admin).await
}
