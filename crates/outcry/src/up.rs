//! `outcry up`: the whole platform in this process.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use outcry_broker::{Broker, EmbeddedBroker};
use outcry_events::{catalog, upcast};
use outcry_mesh::{Directory, Rules};
use outcry_service::{Clock, RunError, SystemClock, declare, run};
use outcry_sqlite::Database;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::arguments::Up;
use crate::config::Config;
use crate::demo;
use crate::folder::{Administrator, Folder};
use crate::services::{self, Made};

/// How long all services together may take to be there, rebuilding their books included.
const START_MAX: Duration = Duration::from_secs(120);

/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Bits of the administrator's password.
const PASSWORD_BYTES: usize = 18;

/// `outcry up`
///
/// # Errors
/// The platform cannot start or a part of it fails; the message says what to do.
pub async fn run_platform(up: Up) -> anyhow::Result<()> {
    let config = Config::load(&up.settings)?;
    start_log(&config.log)?;
    upcast::check().context("the contract is incomplete")?;
    // Built on first use; better now than in somebody's call.
    let _warm = catalog::catalog();
    let folder = Folder::make(&config.data)?;
    let listener = bind(&config).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let database = Database::open(&folder.database())
        .with_context(|| format!("opening the data in {}", folder.path().display()))?;
    let mut platform = Platform::start(&config, &folder, &database, listener).await?;
    folder.set_address(&address)?;
    println!(
        "outcry is running at {address}, data in {}",
        folder.path().display()
    );
    let outcome = async {
        let market = if up.demo {
            let market = demo::open(&address, &folder, &config).await?;
            print!("{}", demo::hints(&address, &up, &config));
            Some(market)
        } else {
            None
        };
        let outcome = platform.until_asked_to_stop().await;
        if let Some(market) = market {
            market.close().await;
        }
        outcome
    }
    .await;
    println!("draining …");
    folder.clear_address();
    platform.stop().await;
    let closed = database.close().await.context("closing the database");
    outcome.and(closed)?;
    println!("stopped, nothing lost");
    Ok(())
}

fn start_log(filter: &str) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .with_context(|| format!("`log = \"{filter}\"` is not a filter"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}

async fn bind(config: &Config) -> anyhow::Result<TcpListener> {
    TcpListener::bind(config.listen).await.with_context(|| {
        format!(
            "cannot listen on {}; stop what is listening there, or choose another address with \
             --listen (port 0 takes any free one)",
            config.listen
        )
    })
}

/// The running parts.
struct Platform {
    /// Ends the edge; the services go on answering what came in before.
    edge_stop: CancellationToken,
    services_stop: CancellationToken,
    edge: JoinSet<Result<(), outcry_gateway::ServeError>>,
    services: JoinSet<(&'static str, Result<(), RunError>)>,
    broker: Arc<dyn Broker>,
}

// === impl Platform ===

impl Platform {
    async fn start(
        config: &Config,
        folder: &Folder,
        database: &Database,
        listener: TcpListener,
    ) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let ids = Arc::clone(&clock);
        let directory = Directory::with(Rules::of_the_contract(), move || ids.new_id());
        let broker: Arc<dyn Broker> = Arc::new(
            EmbeddedBroker::open(database)
                .await
                .context("opening the embedded broker")?,
        );
        let Made {
            services: made,
            edge,
            users,
        } = services::make(config, folder, database, &clock, &directory).await?;
        for (_, service) in &made {
            declare(service, broker.as_ref()).await?;
        }
        edge.announce(
            made.iter()
                .flat_map(|(_, service)| service.reactions.iter().map(|one| one.group())),
        );
        let mut platform = Self {
            edge_stop: CancellationToken::new(),
            services_stop: CancellationToken::new(),
            edge: JoinSet::new(),
            services: JoinSet::new(),
            broker: Arc::clone(&broker),
        };
        let mut names = Vec::new();
        for (ctx, service) in made {
            names.push(service.name);
            let broker = Arc::clone(&broker);
            let stop = platform.services_stop.clone();
            let name = service.name;
            platform
                .services
                .spawn(async move { (name, run(ctx, service, broker, stop).await) });
        }
        platform.until_all_are_there(&directory, &names).await?;
        first_administrator(config, folder, &users).await?;
        let stop = platform.edge_stop.clone();
        platform
            .edge
            .spawn(outcry_gateway::serve(edge, listener, stop));
        Ok(platform)
    }

    async fn until_all_are_there(
        &mut self,
        directory: &Directory,
        names: &[&'static str],
    ) -> anyhow::Result<()> {
        let end = tokio::time::Instant::now() + START_MAX;
        loop {
            if let Some(ended) = self.services.try_join_next() {
                let (name, outcome) = ended.context("a service broke")?;
                outcome.with_context(|| format!("starting {name}"))?;
                bail!("service {name} ended at once");
            }
            let there = directory.names();
            let missing: Vec<&str> = names
                .iter()
                .filter(|name| !there.iter().any(|one| one == *name))
                .copied()
                .collect();
            if missing.is_empty() {
                return Ok(());
            }
            if tokio::time::Instant::now() > end {
                bail!("not started within {START_MAX:?}: {}", missing.join(", "));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Runs until a signal asks to stop, or a part that never should ends.
    async fn until_asked_to_stop(&mut self) -> anyhow::Result<()> {
        tokio::select! {
            signal = stop_signal() => signal,
            Some(ended) = self.services.join_next() => {
                let (name, outcome) = ended.context("a service broke")?;
                outcome.with_context(|| format!("running {name}"))?;
                bail!("service {name} ended by itself");
            }
            Some(ended) = self.edge.join_next() => {
                ended.context("the public edge broke")??;
                bail!("the public edge ended by itself");
            }
        }
    }

    /// Edge first, so that nothing new comes in; then the services, each draining itself.
    async fn stop(mut self) {
        self.edge_stop.cancel();
        while self.edge.join_next().await.is_some() {}
        self.services_stop.cancel();
        while let Some(ended) = self.services.join_next().await {
            if let Ok((name, Err(error))) = ended {
                info!(service = name, error = %error, "service ended with an error");
            }
        }
        // Saves how far every group is; without it the last moments would be delivered again.
        if let Err(error) = self.broker.close().await {
            info!(error = %error, "the broker did not close cleanly");
        }
    }
}

/// Makes the administrator at the first start of a data folder.
async fn first_administrator(
    config: &Config,
    folder: &Folder,
    users: &outcry_service::Context,
) -> anyhow::Result<()> {
    let administrator = match folder.administrator()? {
        Some(administrator) => administrator,
        None => {
            use rand::Rng as _;
            let bytes: [u8; PASSWORD_BYTES] = rand::rng().random();
            let password = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let administrator = Administrator {
                email: config.administrator.clone(),
                password,
            };
            // Written first: after a crash in between, the next start makes the user with it.
            folder.set_administrator(&administrator)?;
            administrator
        }
    };
    outcry_users::ensure_admin(users, &administrator.email, &administrator.password)
        .await
        .context("making the administrator")?;
    Ok(())
}

#[cfg(unix)]
async fn stop_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("listening for signals")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listening for signals"),
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn stop_signal() -> anyhow::Result<()> {
    tokio::signal::ctrl_c()
        .await
        .context("listening for signals")
}
