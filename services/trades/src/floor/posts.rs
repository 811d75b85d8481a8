//! The posts of this replica: opened when it gets their slots, closed when the slots go.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use outcry_service::backoff::Backoff;
use outcry_service::{Context, Slots};
use outcry_store::{Fence, Lease};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Floor, POOL, POSTS, Place, Tenure, post_of};
use crate::book::{FeeSchedule, Rules};
use crate::config::Config;
use crate::desk::{self, Ended, Market, STEP_MAX};
use crate::views;

/// Waits while the store does not answer.
const STORE_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(2),
};

/// Events after which a desk is kept as a whole: loading it takes a fraction of a second then.
const CHECKPOINT_EVENTS: usize = 2_000;

/// The rules of a symbol that takes no orders any more.
const UNLISTED: Rules = Rules {
    tick: 1,
    lot: 1,
    band_bps: None,
    listing_price: None,
    max_order_value: 0,
    max_order_quantity: 0,
    fees: FeeSchedule {
        maker_bps: 0,
        taker_bps: 0,
    },
    step: STEP_MAX,
};

/// Opens and closes posts.
pub(crate) struct Posts {
    pub(crate) ctx: Context,
    pub(crate) config: Arc<Config>,
    pub(crate) floor: Arc<Floor>,
}

#[async_trait]
impl Slots for Posts {
    fn pool(&self) -> &'static str {
        POOL
    }

    fn count(&self) -> u32 {
        POSTS
    }

    async fn hold(&self, lease: Lease, stop: CancellationToken) {
        let tenure = Arc::new(Tenure::begin(&self.floor, &lease));
        let Some(markets) = self.markets(lease.slot, &stop).await else {
            return;
        };
        tenure.expect(markets.iter().map(|market| market.symbol.as_str()));
        // A desk that is told by the store that the slot is another's takes the others along.
        let stop = stop.child_token();
        let mut desks = JoinSet::new();
        for market in markets {
            let tenure = Arc::clone(&tenure);
            let (ctx, fence) = (self.ctx.clone(), lease.fence());
            desks.spawn(attend(ctx, tenure, market, fence, stop.clone()));
        }
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(left) = desks.join_next() => match left {
                    Ok(Ended::Told) => {}
                    Ok(Ended::Fenced) => stop.cancel(),
                    Err(broke) => {
                        // The desk is opened anew with its post, wherever that is.
                        error!(post = lease.slot, error = %broke, "a desk broke");
                        stop.cancel();
                    }
                },
            }
        }
        while desks.join_next().await.is_some() {}
    }
}

impl Posts {
    /// The markets of a post: what is configured, and what is not any more but may still have
    /// orders, which can only leave. `None` when `stop` came first.
    async fn markets(&self, post: u32, stop: &CancellationToken) -> Option<Vec<Market>> {
        let mut failures = 0;
        let known = loop {
            match views::symbols(self.ctx.store.as_ref()).await {
                Ok(known) => break known,
                Err(error) => {
                    failures += 1;
                    warn!(post, failures, error = &error as &dyn Error, "post waits");
                    if !wait(failures, stop).await {
                        return None;
                    }
                }
            }
        };
        let mut markets = markets(&self.config, &known);
        markets.retain(|market| post_of(&market.symbol) == post);
        Some(markets)
    }
}

/// Opens a desk and lets it work until `stop`.
async fn attend(
    ctx: Context,
    tenure: Arc<Tenure>,
    market: Market,
    fence: Fence,
    stop: CancellationToken,
) -> Ended {
    let (symbol, listed) = (market.symbol.clone(), market.listed);
    let mut failures = 0;
    let (handle, writer) = loop {
        let opened = tokio::select! {
            biased;
            () = stop.cancelled() => return Ended::Told,
            opened = desk::open(&ctx, market.clone(), fence.clone(), tenure.news()) => opened,
        };
        match opened {
            Ok(opened) => break opened,
            Err(cause) if cause.is_lasting() => {
                error!(
                    symbol,
                    error = &cause as &dyn Error,
                    "the book cannot be loaded; its symbol does not trade"
                );
                tenure.put(&symbol, Place::Broken);
                stop.cancelled().await;
                return Ended::Told;
            }
            Err(cause) => {
                failures += 1;
                warn!(
                    symbol,
                    failures,
                    error = &cause as &dyn Error,
                    "the book waits for the store"
                );
            }
        }
        if !wait(failures, &stop).await {
            return Ended::Told;
        }
    };
    if !listed && writer.is_idle() {
        tenure.put(&symbol, Place::Nowhere);
        return Ended::Told;
    }
    tenure.put(&symbol, Place::Open(handle));
    let ended = writer.run(stop).await;
    info!(symbol, ?ended, "desk closed");
    ended
}

fn markets(config: &Config, known: &[String]) -> Vec<Market> {
    let schedule = Arc::new(config.schedule());
    let listed = config.instruments.iter().map(|instrument| Market {
        symbol: instrument.symbol.clone(),
        rules: instrument.rules(config.fees),
        schedule: Arc::clone(&schedule),
        listed: true,
        checkpoint_events: CHECKPOINT_EVENTS,
    });
    let delisted = known
        .iter()
        .filter(|symbol| !config.lists(symbol))
        .map(|symbol| Market {
            symbol: symbol.clone(),
            rules: UNLISTED,
            schedule: Arc::clone(&schedule),
            listed: false,
            checkpoint_events: CHECKPOINT_EVENTS,
        });
    listed.chain(delisted).collect()
}

/// Waits before the next try; false when `stop` came first.
async fn wait(failures: u32, stop: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        () = tokio::time::sleep(STORE_BACKOFF.after(failures)) => true,
    }
}
