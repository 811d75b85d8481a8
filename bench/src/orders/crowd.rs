//! Sellers and buyers in pairs: each sale is there before the purchase that takes it.
//!
//! Every order is filled whole, so that all of them go the whole way: checked, funded, acknowledged,
//! matched, settled, booked, told. Half of them rest before they are filled, and half take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use outcry_contracts::orders::v1::order_service_client::OrderServiceClient;
use outcry_contracts::orders::v1::{
    Order, OrderStatus, OrderTerms, OrderType, PlaceOrderRequest, Side, TimeInForce,
};
use tokio::task::JoinSet;

use super::installation::Site;
use super::people::{Person, dollars, id};
use super::sightings::Lookouts;

/// Pairs, each with one order on its way at a time in a rush: commits share disk flushes, and two
/// cores are busy with fewer.
pub const PAIRS: usize = 16;

/// Pairs that come at the same time: hashing their passwords keeps the cores busy.
const COMING: usize = 4;

/// What a platform trades unless it is told otherwise. Pairs are spread over it.
const SYMBOLS: [&str; 5] = ["AAPL", "AMZN", "GOOG", "MSFT", "TSLA"];

/// Orders of one trip: a sale, and the purchase that takes it.
pub const TRIP: usize = 2;

/// What everything is traded at, in dollars.
const PRICE: i64 = 100;

/// How long the last orders may take to be settled.
const SETTLED_MAX: Duration = Duration::from_secs(120);

/// How often it is looked whether they are.
const LOOK: Duration = Duration::from_millis(5);

/// One who sells and one who buys the same.
pub struct Pair {
    pub seller: Person,
    pub buyer: Person,
    symbol: &'static str,
}

/// All of them.
pub struct Crowd {
    pub admin: Person,
    pub pairs: Vec<Arc<Pair>>,
}

/// What orders came to that were placed as fast as they were acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Rush {
    pub orders: usize,
    /// From the first order to the last acknowledgement.
    pub acknowledged: Duration,
    /// From the first order to the last settlement.
    pub settled: Duration,
}

/// An order that was answered.
pub struct Answered {
    pub order: Order,
    pub sent: Instant,
    pub answered: Instant,
}

// === impl Rush ===

impl Rush {
    /// Orders a second, all of them settled.
    pub fn settled_rate(&self) -> f64 {
        self.orders as f64 / self.settled.as_secs_f64()
    }

    /// Orders a second, all of them acknowledged.
    pub fn acknowledged_rate(&self) -> f64 {
        self.orders as f64 / self.acknowledged.as_secs_f64()
    }
}

// === impl Crowd ===

impl Crowd {
    /// Has everybody come. Crowds of different names can be there at once.
    pub async fn come(site: &Site, name: &str) -> anyhow::Result<Self> {
        let admin = Person::administrator(site).await?;
        let pairs = stream::iter(0..PAIRS)
            .map(|number| Pair::come(site, &admin, name, number))
            .buffered(COMING)
            .map_ok(Arc::new)
            .try_collect()
            .await?;
        Ok(Self { admin, pairs })
    }

    /// Places so many orders as fast as they are acknowledged, and waits until all are settled.
    pub async fn rush(&self, orders: usize) -> anyhow::Result<Rush> {
        let lookouts = Lookouts::at_closing(&self.admin).await?;
        let trips = Arc::new(AtomicUsize::new(orders / TRIP));
        let begun = Instant::now();
        let mut traders = JoinSet::new();
        for pair in &self.pairs {
            let (pair, trips) = (Arc::clone(pair), Arc::clone(&trips));
            traders.spawn(async move {
                while take(&trips) {
                    pair.trip().await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = traders.join_next().await {
            ended??;
        }
        let acknowledged = begun.elapsed();
        let orders = orders / TRIP * TRIP;
        until_closed(&lookouts, orders).await?;
        let last = lookouts.closed.last().context("nothing was settled")?;
        Ok(Rush {
            orders,
            acknowledged,
            settled: last - begun,
        })
    }

    /// Has everybody sign in again.
    pub async fn renew(&self) -> anyhow::Result<()> {
        self.admin.renew().await?;
        for pair in &self.pairs {
            pair.seller.renew().await?;
            pair.buyer.renew().await?;
        }
        Ok(())
    }
}

fn take(trips: &AtomicUsize) -> bool {
    let less = |left: usize| left.checked_sub(1);
    trips
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
        .is_ok()
}

/// Waits until so many orders are filled and settled.
async fn until_closed(lookouts: &Lookouts, orders: usize) -> anyhow::Result<()> {
    let end = Instant::now() + SETTLED_MAX;
    while lookouts.closed.count() < orders {
        let missing = orders - lookouts.closed.count();
        ensure!(Instant::now() < end, "{missing} orders were not settled");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

// === impl Pair ===

impl Pair {
    async fn come(site: &Site, admin: &Person, name: &str, number: usize) -> anyhow::Result<Self> {
        let symbol = SYMBOLS[number % SYMBOLS.len()];
        let (seller, buyer) = (format!("{name}-s{number}"), format!("{name}-b{number}"));
        Ok(Self {
            seller: Person::come(site, admin, &seller, symbol).await?,
            buyer: Person::come(site, admin, &buyer, symbol).await?,
            symbol,
        })
    }

    /// Sells one share, and buys one: the sale, then the purchase.
    pub async fn trip(&self) -> anyhow::Result<[Answered; TRIP]> {
        let sale = place(&self.seller, self.symbol, Side::Sell).await?;
        let purchase = place(&self.buyer, self.symbol, Side::Buy).await?;
        Ok([sale, purchase])
    }
}

/// Whether the connection ended before an answer came. Repeating a request with its id is safe.
fn is_cut_off(status: &tonic::Status) -> bool {
    let source = std::error::Error::source(status);
    source.is_some_and(|source| source.is::<tonic::transport::Error>())
}

/// Places an order for one share, and waits for the venue's word on it.
pub async fn place(person: &Person, symbol: &str, side: Side) -> anyhow::Result<Answered> {
    let request = PlaceOrderRequest {
        request_id: id(),
        terms: Some(OrderTerms {
            symbol: symbol.to_owned(),
            side: side.into(),
            r#type: OrderType::Limit.into(),
            quantity: 1,
            limit_price: dollars(PRICE),
            time_in_force: TimeInForce::Gtc.into(),
            ..OrderTerms::default()
        }),
        ..PlaceOrderRequest::default()
    };
    let mut orders = OrderServiceClient::new(person.signed.clone());
    let sent = Instant::now();
    let reply = match orders.place_order(request.clone()).await {
        // The connection came to its age: what was not sent over it any more is sent over a new one.
        Err(status) if is_cut_off(&status) => orders.place_order(request).await?,
        answer => answer?,
    };
    let reply = reply.into_inner();
    let answered = Instant::now();
    let order = reply.order.context("no order was answered")?;
    if order.status() == OrderStatus::Rejected {
        bail!("an order was rejected: {}", order.message);
    }
    Ok(Answered {
        order,
        sent,
        answered,
    })
}
