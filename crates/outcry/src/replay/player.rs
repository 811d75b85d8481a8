//! Takes the steps of a script, one after the other: a step's order is at the venue before the
//! next one is sent, so the venue sees what the recording's venue saw, in the same order.
//!
//! Every call has an id made from the replay's name and the step. A replay that was interrupted is
//! run again from the start: what was done is answered from memory, and the rest is done now.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use indicatif::ProgressBar;
use outcry_contracts::orders::v1::order_service_client::OrderServiceClient;
use outcry_contracts::orders::v1::{
    CancelOrderRequest, GetOrderRequest, Order, OrderStatus, OrderTerms, OrderType,
    PlaceOrderRequest, ReplaceOrderRequest, Side, TimeInForce,
};
use outcry_contracts::trades::v1::trade_service_client::TradeServiceClient;
use outcry_contracts::trades::v1::{
    BookLevel, Execution, GetBookRequest, HaltSymbolRequest, ListExecutionsRequest,
    ResumeSymbolRequest,
};
use outcry_events::Amount;
use tokio::time::Instant;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::crew::Crew;
use super::lobster::{self, Level, Top};
use super::result::Outcome;
use super::script::{Action, Resting, Script, Step, Taken};
use crate::fixed_id::fixed_id;
use crate::session::SignedChannel;

/// How long the venue may take to acknowledge an order that was placed: longer than a restart of
/// the services between the order and the venue.
const ACKNOWLEDGED_MAX: Duration = Duration::from_secs(120);

/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Matches read at a time.
const PAGE: i32 = 1000;

/// Takes the steps.
pub struct Player {
    crew: Crew,
    symbol: String,
    run: String,
    started: SystemTime,
    /// Whether steps are done now, and not answered from an earlier, interrupted run.
    live: bool,
    /// Our orders for the recorded ones.
    orders: HashMap<Resting, Mine>,
    /// Ids of all of them, those gone included.
    ids: HashMap<Resting, String>,
    /// What each incoming order was recorded to take.
    takes: Vec<(String, Vec<Taken>)>,
    outcome: Outcome,
}

/// One of our orders.
#[derive(Debug, Clone)]
struct Mine {
    id: String,
    /// Total quantity after the changes so far.
    quantity: i64,
}

// === impl Player ===

impl Player {
    /// A player with its crew.
    pub fn new(crew: Crew, symbol: String, run: String) -> Self {
        Self {
            crew,
            symbol,
            run,
            started: SystemTime::now(),
            live: false,
            orders: HashMap::new(),
            ids: HashMap::new(),
            takes: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    /// Takes all steps and compares what came of them with the recording.
    ///
    /// # Errors
    /// The platform cannot be reached, or refuses what no order may be refused for.
    pub async fn play(mut self, script: &Script, bar: &ProgressBar) -> anyhow::Result<Outcome> {
        let begin = Instant::now();
        let mut seeds = 0;
        for step in &script.steps {
            let name = if step.number == 0 {
                seeds += 1;
                format!("seed {seeds}")
            } else {
                format!("message {}", step.number)
            };
            self.take(step, &name)
                .await
                .with_context(|| format!("{name}; run the same command again to go on"))?;
            bar.inc(1);
        }
        self.outcome.took = begin.elapsed();
        self.compare_matches().await?;
        Ok(self.outcome)
    }

    async fn take(&mut self, step: &Step, name: &str) -> anyhow::Result<()> {
        match &step.action {
            Action::Place {
                order,
                side,
                quantity,
                price,
            } => {
                let terms = self.terms(*side, *quantity, *price, TimeInForce::Gtc)?;
                let placed = self.place(self.owner(*order), name, terms).await?;
                self.ids.insert(*order, placed.order_id.clone());
                let mine = Mine {
                    id: placed.order_id,
                    quantity: *quantity,
                };
                self.orders.insert(*order, mine);
            }
            Action::Take {
                side,
                quantity,
                limit,
                recorded,
            } => {
                let terms = self.terms(*side, *quantity, *limit, TimeInForce::Ioc)?;
                let placed = self.place(self.crew.aggressor.clone(), name, terms).await?;
                self.takes.push((placed.order_id, recorded.clone()));
            }
            Action::Reduce { order, by } => self.reduce(*order, *by, name).await?,
            Action::Cancel { order } => self.cancel(*order, name).await?,
            Action::Halt(stop) => self.halt(*stop).await?,
            Action::Nothing => self.outcome.hidden += 1,
        }
        if let (Some(top), true) = (step.after, self.live) {
            self.compare_top(top).await?;
        }
        Ok(())
    }

    fn owner(&self, order: Resting) -> SignedChannel {
        match order {
            Resting::Known(id) => self.crew.owner(id).clone(),
            Resting::Seed(..) => self.crew.seeder.clone(),
        }
    }

    fn terms(
        &self,
        side: lobster::Side,
        quantity: i64,
        price: i64,
        time_in_force: TimeInForce,
    ) -> anyhow::Result<OrderTerms> {
        let side = match side {
            lobster::Side::Buy => Side::Buy,
            lobster::Side::Sell => Side::Sell,
        };
        Ok(OrderTerms {
            symbol: self.symbol.clone(),
            side: side.into(),
            r#type: OrderType::Limit.into(),
            quantity,
            limit_price: Some(Amount::from_raw(price)?.to_money()),
            time_in_force: time_in_force.into(),
            post_only: false,
            ..Default::default()
        })
    }

    /// Places an order and waits until the venue has decided about it.
    async fn place(
        &mut self,
        owner: SignedChannel,
        name: &str,
        terms: OrderTerms,
    ) -> anyhow::Result<Order> {
        let request = PlaceOrderRequest {
            request_id: fixed_id(&self.run, &format!("place {name}")),
            client_order_id: String::new(),
            terms: Some(terms),
        };
        let mut client = OrderServiceClient::new(owner);
        let sent = Instant::now();
        let reply = client.place_order(request).await.context("placing")?;
        let order = reply.into_inner().order;
        let order = decided(&mut client, order).await?;
        if !self.live {
            self.live = created(&order) >= self.started;
        }
        if self.live {
            self.outcome.latencies.push(sent.elapsed());
        }
        self.outcome.sent += 1;
        if order.status() == OrderStatus::Rejected {
            self.outcome.rejected += 1;
        } else {
            self.outcome.accepted += 1;
        }
        Ok(order)
    }

    async fn reduce(&mut self, order: Resting, by: i64, name: &str) -> anyhow::Result<()> {
        let Some(mine) = self.orders.get_mut(&order) else {
            // An order below the levels the recording starts with: nobody here has it.
            return Ok(());
        };
        mine.quantity -= by;
        let (id, quantity) = (mine.id.clone(), mine.quantity);
        if quantity <= 0 {
            return self.cancel(order, name).await;
        }
        let request = ReplaceOrderRequest {
            request_id: fixed_id(&self.run, &format!("reduce {name}")),
            order_id: id,
            quantity,
            limit_price: None,
            ..Default::default()
        };
        self.outcome.changes += 1;
        let mut client = OrderServiceClient::new(self.owner(order));
        match client.replace_order(request).await {
            Ok(reply) => decided(&mut client, reply.into_inner().order)
                .await
                .map(drop),
            Err(status) => too_late_is_fine(status).context("reducing"),
        }
    }

    async fn cancel(&mut self, order: Resting, name: &str) -> anyhow::Result<()> {
        let Some(mine) = self.orders.remove(&order) else {
            return Ok(());
        };
        let request = CancelOrderRequest {
            request_id: fixed_id(&self.run, &format!("cancel {name}")),
            order_id: mine.id,
        };
        self.outcome.changes += 1;
        let mut client = OrderServiceClient::new(self.owner(order));
        match client.cancel_order(request).await {
            Ok(reply) => decided(&mut client, reply.into_inner().order)
                .await
                .map(drop),
            Err(status) => too_late_is_fine(status).context("cancelling"),
        }
    }

    async fn halt(&mut self, stop: bool) -> anyhow::Result<()> {
        let mut venue = TradeServiceClient::new(self.crew.admin.clone());
        let symbol = self.symbol.clone();
        if stop {
            let reason = "halted in the recording".to_owned();
            venue
                .halt_symbol(HaltSymbolRequest { symbol, reason })
                .await
                .context("halting")?;
        } else {
            venue
                .resume_symbol(ResumeSymbolRequest { symbol })
                .await
                .context("resuming")?;
        }
        Ok(())
    }

    async fn compare_top(&mut self, recorded: Top) -> anyhow::Result<()> {
        let request = GetBookRequest {
            symbol: self.symbol.clone(),
            depth: 1,
        };
        let book = TradeServiceClient::new(self.crew.admin.clone())
            .get_book(request)
            .await
            .context("reading the book")?
            .into_inner();
        let top = Top {
            ask: best(&book.asks)?,
            bid: best(&book.bids)?,
        };
        self.outcome.tops_compared += 1;
        self.outcome.tops_equal += u64::from(top == recorded);
        Ok(())
    }

    /// Looks up whom our incoming orders matched, and compares it with the recording.
    async fn compare_matches(&mut self) -> anyhow::Result<()> {
        let matches = self.matches().await?;
        for (taker, recorded) in std::mem::take(&mut self.takes) {
            let made = matches.get(&taker).map_or(&[][..], Vec::as_slice);
            self.outcome.fills += made.len() as u64;
            for taken in recorded {
                self.outcome.executions += 1;
                let mine = self.ids.get(&taken.order);
                let price = Amount::from_raw(taken.price)?.to_money();
                let hit = made.iter().any(|execution| {
                    Some(&execution.maker_order_id) == mine
                        && execution.price.as_ref() == Some(&price)
                });
                if hit {
                    self.outcome.same_order += 1;
                } else {
                    self.outcome.other_order.push(taken);
                }
            }
        }
        Ok(())
    }

    /// Every match of the symbol by its incoming order.
    async fn matches(&self) -> anyhow::Result<HashMap<String, Vec<Execution>>> {
        let mut venue = TradeServiceClient::new(self.crew.admin.clone());
        let mut matches: HashMap<String, Vec<Execution>> = HashMap::new();
        let mut after = 0;
        loop {
            let request = ListExecutionsRequest {
                symbol: self.symbol.clone(),
                after_venue_sequence: after,
                size: PAGE,
                latest: false,
            };
            let reply = venue
                .list_executions(request)
                .await
                .context("reading matches")?;
            let page = reply.into_inner().executions;
            let Some(last) = page.last() else {
                return Ok(matches);
            };
            after = last.venue_sequence;
            for execution in page {
                let taker = execution.taker_order_id.clone();
                matches.entry(taker).or_default().push(execution);
            }
        }
    }
}

fn created(order: &Order) -> SystemTime {
    let Some(at) = order.created_at else {
        return UNIX_EPOCH;
    };
    let seconds = u64::try_from(at.seconds).unwrap_or(0);
    let nanos = u32::try_from(at.nanos).unwrap_or(0);
    UNIX_EPOCH + Duration::new(seconds, nanos)
}

fn best(levels: &[BookLevel]) -> anyhow::Result<Option<Level>> {
    let Some(level) = levels.first() else {
        return Ok(None);
    };
    let price = Amount::from_required(level.price.as_ref())?;
    Ok(Some((price.raw(), level.quantity)))
}

/// Waits until the venue has decided what it was asked about the order: an answer may come before
/// that, when the venue does not answer in time, and the next step must not overtake it.
async fn decided(
    client: &mut OrderServiceClient<SignedChannel>,
    order: Option<Order>,
) -> anyhow::Result<Order> {
    let mut order = order.context("no order was answered")?;
    let end = Instant::now() + ACKNOWLEDGED_MAX;
    while matches!(
        order.status(),
        OrderStatus::New
            | OrderStatus::Validated
            | OrderStatus::PendingCancel
            | OrderStatus::PendingReplace
    ) {
        if Instant::now() > end {
            bail!(
                "the venue did not decide about order {} within {ACKNOWLEDGED_MAX:?}",
                order.order_id
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
        let request = GetOrderRequest {
            order_id: order.order_id.clone(),
        };
        let reply = client.get_order(request).await.context("looking")?;
        order = reply.into_inner().order.context("no order was answered")?;
    }
    Ok(order)
}

/// An order that is filled already cannot be changed; the recording does not know our fills.
fn too_late_is_fine(status: Status) -> Result<(), Status> {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.as_str());
    if matches!(reason, Some("ORDER_FINAL" | "TOO_LATE")) {
        return Ok(());
    }
    Err(status)
}
