//! Events of one key that need not wait for each other: those of different aggregates.

use async_trait::async_trait;
use outcry_broker::Message;
use outcry_contracts::operations::v1 as api;
use outcry_contracts::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use outcry_contracts::trades::v1::{FailureReason, TradeFailedEvent};
use outcry_events::SealedEvent;
use outcry_service::testing::{Platform, eventually};
use outcry_service::{Context, Fault, GroupSpec, Reaction, Service, Unknown};
use outcry_store::{Commit, ParkedFilter, ViewWrite};

use crate::toys::{Act, Script, id, published};

/// Writes down what is said of each trade in the order it comes.
struct TradeLog {
    ctx: Context,
    script: Script,
}

#[async_trait]
impl Reaction for TradeLog {
    fn group(&self) -> GroupSpec {
        GroupSpec::new("ledger", &["trade.failed"], Unknown::Park).by_aggregate()
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let failed: TradeFailedEvent = event.payload()?;
        self.script.act(&failed.message).await?;
        let (version, mut lines) = log(&self.ctx, event.aggregate_id()).await;
        lines.push(failed.message);
        let write = ViewWrite::put("log", event.aggregate_id(), &lines)?.expect(version);
        Ok(Commit {
            views: vec![write],
            ..Commit::default()
        })
    }
}

/// How often a trade's log was written, and what it says.
async fn log(ctx: &Context, trade_id: &str) -> (u64, Vec<String>) {
    match ctx.store.view("log", trade_id).await.unwrap() {
        Some(row) => (row.version, row.decode().unwrap()),
        None => (0, Vec::new()),
    }
}

async fn lines(ctx: &Context, trade: u128) -> Vec<String> {
    log(ctx, &id(trade)).await.1
}

/// Trades of one symbol, and events of each.
const TRADES: u128 = 3;
const EACH: u64 = 4;

/// What the events of a trade say, in their order.
fn said(trade: u128) -> Vec<String> {
    (1..=EACH)
        .map(|number| format!("{trade}-{number}"))
        .collect()
}

/// One event of each trade, then the next of each: all of one symbol, so of one key.
async fn publish(platform: &Platform) {
    for number in 1..=EACH {
        let batch = (0..TRADES).map(|trade| of_symbol(trade, number));
        let results = platform.broker().publish(batch.collect()).await;
        assert!(results.iter().all(Result::is_ok));
    }
}

fn of_symbol(trade: u128, sequence: u64) -> Message {
    let event = TradeFailedEvent {
        trade_id: id(trade),
        order_id: id(trade),
        user_id: id(trade),
        symbol: "ACME".to_owned(),
        reason: FailureReason::CancelledBeforeVenue.into(),
        message: format!("{trade}-{sequence}"),
    };
    published(&event, sequence)
}

fn ledger(ctx: &Context, script: &Script) -> Service {
    Service::new("ledger").reacts(TradeLog {
        ctx: ctx.clone(),
        script: script.clone(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_takes_long_holds_up_its_aggregate_and_no_other_of_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let script = Script::default();
    script.plan("0-1", [Act::Hang]);
    let make = |ctx: &Context| ledger(ctx, &script);
    let replica = platform.replica("ledger", make).await;
    let ctx = platform.context("ledger").await;
    publish(&platform).await;
    for trade in 1..TRADES {
        eventually("the other trades go on", async || {
            lines(&ctx, trade).await == said(trade)
        })
        .await;
    }
    assert!(script.is_spent("0-1"), "it hangs");
    assert!(lines(&ctx, 0).await.is_empty(), "and nothing overtakes it");

    replica.crash().await;
    let replica = platform.replica("ledger", make).await;
    eventually("what was in hand comes again", async || {
        lines(&ctx, 0).await == said(0)
    })
    .await;
    replica.stop().await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_event_parks_the_key_of_all_and_every_aggregate_keeps_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut platform = Platform::open(folder.path()).await;
    let script = Script::default();
    script.plan("0-2", [Act::Poison]);
    let ctx = platform.context("ledger").await;
    platform.start([(ctx.clone(), ledger(&ctx, &script))]).await;
    publish(&platform).await;
    let every = ParkedFilter {
        limit: 100,
        ..ParkedFilter::default()
    };
    eventually("each event is written down or parked", async || {
        let mut settled = ctx.store.parked(&every).await.unwrap().len();
        for trade in 0..TRADES {
            settled += lines(&ctx, trade).await.len();
        }
        settled as u64 == TRADES as u64 * EACH
    })
    .await;
    assert_eq!(lines(&ctx, 0).await, ["0-1"]);
    for trade in 1..TRADES {
        let lines = lines(&ctx, trade).await;
        assert!(said(trade).starts_with(&lines), "out of order: {lines:?}");
    }

    let request = api::RedriveDeadLettersRequest {
        group: "ledger".into(),
        ..Default::default()
    };
    DeadLetterServiceClient::new(platform.admin("ledger"))
        .redrive_dead_letters(request)
        .await
        .unwrap();
    for trade in 0..TRADES {
        eventually("all come through in order", async || {
            lines(&ctx, trade).await == said(trade)
        })
        .await;
    }
    platform.stop().await;
}
