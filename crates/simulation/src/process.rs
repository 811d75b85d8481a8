//! Processes: services that run, die and are started again on what they have kept.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use outcry_broker::Broker;
use outcry_mesh::{Directory, Rules};
use outcry_service::{Clock, Context, Service, run};
use outcry_store::Store;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::broker::{MemoryBroker, MemoryExchange};
use crate::calls;
use crate::clock::SimulatedClock;
use crate::line::{Line, LineBroker, LineStore};
use crate::plan::SYMBOLS;
use crate::store::{MemoryData, MemoryStore};
use crate::world::World;

/// How long a process that ended by itself stays ended: what a supervisor waits.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// What the simulated provider signs with.
const WEBHOOK_SECRET: &str = "a secret of the simulation";

/// What can go on while the process is dead: its service's data, the broker's, the way to others.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) service: &'static str,
    /// Which process of the service: 0, or 1 for a second one.
    pub(crate) number: usize,
    pub(crate) world: World,
    pub(crate) clock: Arc<SimulatedClock>,
    pub(crate) data: MemoryData,
    pub(crate) exchange: MemoryExchange,
    /// Where the first processes of all services are.
    pub(crate) first: Directory,
    /// Folder of the key that tokens are signed with.
    pub(crate) keys: PathBuf,
}

// === impl Site ===

impl Site {
    /// Runs the service for ever, one process after another, until it is dropped or `stop`ped; a
    /// stopped one is not drained. Whatever is wrong with the service itself comes back.
    pub(crate) async fn keep_running(self, stop: CancellationToken) -> Option<String> {
        loop {
            let line = Line::new(self.service, self.number, self.world.clone());
            let down = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                ended = self.live(&line) => match ended {
                    // What cannot be reached at the start is tried again, as a supervisor would.
                    Ended::Broken(problem) => return Some(problem),
                    Ended::AtStart(problem) => {
                        tracing::warn!(service = self.service, problem, "could not start");
                        RESTART_AFTER
                    }
                    Ended::Dead(down) => down,
                },
            };
            line.cut();
            self.directory_of_first().deregister(self.service);
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(down) => {}
            }
        }
    }

    /// The directory only a first process is in.
    fn directory_of_first(&self) -> Directory {
        if self.number == 0 {
            self.first.clone()
        } else {
            Directory::new()
        }
    }

    /// One process from start to end.
    async fn live(&self, line: &Line) -> Ended {
        let directory = match self.directory() {
            Ok(directory) => directory,
            Err(error) => return Ended::Broken(error.to_string()),
        };
        let clock: Arc<dyn Clock> = Arc::<SimulatedClock>::clone(&self.clock);
        let time = Arc::clone(&clock);
        let store = MemoryStore::open(&self.data, Arc::new(move || time.now()));
        let store: Arc<dyn Store> = Arc::new(LineStore::new(line.clone(), store));
        let broker = MemoryBroker::open(&self.exchange);
        let broker: Arc<dyn Broker> = Arc::new(LineBroker::new(line.clone(), broker));
        let ctx = Context::new(self.service, store, clock, directory);
        // A process that dies takes all of its tasks with it.
        let mut tasks = JoinSet::new();
        let site = self.clone();
        let (line_of_task, world) = (line.clone(), self.world.clone());
        tasks.spawn(async move {
            let made = site.make(ctx.clone()).await;
            let mut service = match made {
                Ok(service) => service,
                Err(error) => return Ended::AtStart(error),
            };
            service.routes = calls::behind(service.routes, site.service, &line_of_task, &world);
            match run(ctx, service, broker, CancellationToken::new()).await {
                Ok(()) => Ended::Broken(format!("{} ended by itself", site.service)),
                Err(outcry_service::RunError::Declare { source, .. }) => {
                    Ended::AtStart(source.to_string())
                }
                Err(error) => Ended::Broken(format!("{error:?}")),
            }
        });
        tokio::select! {
            biased;
            down = line.died() => Ended::Dead(down),
            ended = tasks.join_next() => match ended {
                Some(Ok(ended)) => ended,
                Some(Err(error)) => Ended::Broken(format!("{} broke: {error}", self.service)),
                None => Ended::Broken("nothing ran".to_owned()),
            },
        }
    }

    /// Where this process's service is registered, and from where it calls.
    fn directory(&self) -> Result<Directory, outcry_mesh::RegisterError> {
        if self.number == 0 {
            return Ok(self.first.clone());
        }
        let ids = Arc::clone(&self.clock);
        let directory = Directory::with(Rules::of_the_contract(), move || ids.new_id());
        calls::reach(&self.first, &directory, self.service)?;
        Ok(directory)
    }

    async fn make(&self, ctx: Context) -> Result<Service, String> {
        let text = |error: &dyn std::error::Error| format!("{error}");
        match self.service {
            "users" => {
                let keys = outcry_users::Config {
                    keys_dir: self.keys.clone(),
                };
                outcry_users::service(ctx, keys)
                    .await
                    .map_err(|error| text(&error))
            }
            "orders" => {
                outcry_orders::service(ctx, Default::default()).map_err(|error| text(&error))
            }
            "trades" => outcry_trades::service(ctx, market())
                .await
                .map_err(|error| text(&error)),
            "funds" => outcry_funds::service(ctx, Default::default()).map_err(|error| text(&error)),
            "payments" => {
                let payments = outcry_payments::Config {
                    webhook_secrets: vec![outcry_payments::Secret::new(WEBHOOK_SECRET)],
                    ..Default::default()
                };
                let made = outcry_payments::service(ctx, payments).await;
                made.map_err(|error| text(&error))
            }
            "ledger" => {
                outcry_ledger::service(ctx, Default::default()).map_err(|error| text(&error))
            }
            "portfolio" => outcry_portfolio::service(ctx, Default::default())
                .await
                .map_err(|error| text(&error)),
            "reports" => outcry_reports::service(ctx, Default::default())
                .await
                .map_err(|error| text(&error)),
            "notifications" => outcry_notifications::service(ctx, Default::default())
                .await
                .map_err(|error| text(&error)),
            _ => outcry_gateway::service(ctx, Default::default())
                .await
                .map(|(service, _edge)| service)
                .map_err(|error| text(&error)),
        }
    }
}

/// How a process ended.
enum Ended {
    /// It died, and stays dead so long.
    Dead(Duration),
    /// It could not start.
    AtStart(String),
    /// It ended as none ever should.
    Broken(String),
}

/// What the simulated venue trades.
fn market() -> outcry_trades::Config {
    let mut market = outcry_trades::Config::default();
    let template = market.instruments.first().cloned();
    market.instruments = template
        .into_iter()
        .flat_map(|template| {
            SYMBOLS.map(|symbol| outcry_trades::Instrument {
                symbol: symbol.to_owned(),
                ..template.clone()
            })
        })
        .collect();
    market
}
