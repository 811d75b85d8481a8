//! Services running in this process, from start to orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use outcry_broker::Broker;
use outcry_contracts::EVENTS;
use outcry_events::{catalog, downcast, upcast};
use outcry_mesh::{Credentials, Directory, administer};
use outcry_service::{Exposition, RunError, run};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::audit;
use crate::config::Config;
use crate::environment;
use crate::folder::{Administrator, Folder};
use crate::output::Output;
use crate::services::{Ground, Made, NAMES, consumers, groups};
use crate::stop_signal::StopSignal;
use crate::successors;
use crate::telemetry::Telemetry;

/// How long all services together may take to be there.
const START_MAX: Duration = Duration::from_secs(120);

/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Family of the metric that says which version a process is of; Prometheus reads `outcry_build_info`.
const BUILD: &str = "outcry_build";

/// Bits of the administrator's password.
const PASSWORD_BYTES: usize = 18;

/// Starts what every process needs before it makes services: log, traces and the contract.
///
/// # Errors
/// The environment does not allow what is set, log or traces cannot be started as configured, or this build knows
/// an event without its upgrades, or has a group that would not get the next version of its events.
pub fn prepare(config: &Config) -> anyhow::Result<Telemetry> {
    environment::check(config)?;
    let telemetry = Telemetry::start(&config.telemetry, &config.log)?;
    upcast::check().context("the contract is incomplete")?;
    downcast::check().context("the contract is incomplete")?;
    successors::check(&consumers(), EVENTS).context("a group would lose events")?;
    // Built on first use; better now than in somebody's call.
    let _warm = catalog::catalog();
    Ok(telemetry)
}

/// Takes an address to listen on.
///
/// # Errors
/// It is taken, or not this machine's; the message says what to do.
pub async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}; stop what is listening there, or choose another address \
             with {setting} (port 0 takes any free one)"
        )
    })
}

/// Takes the address for operators, when there is to be one, and says where it is.
///
/// # Errors
/// As [`bind`].
pub async fn open_admin(config: &Config, out: Output) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = config.admin.listen else {
        return Ok(None);
    };
    let listener = bind(address, "--admin").await?;
    let address = format!("http://{}", listener.local_addr()?);
    out.news(
        &format!("operators find health, metrics and the mesh at {address}"),
        &json!({ "state": "starting", "admin": address }),
    );
    Ok(Some(listener))
}

/// Where this process answers.
pub struct Doors {
    /// The public edge, when the gateway runs here.
    pub public: Option<TcpListener>,
    /// For services of other processes, when there are any.
    pub private: Option<(TcpListener, Credentials)>,
    /// For operators, when they want one.
    pub operators: Option<TcpListener>,
}

/// The running parts.
pub struct Platform {
    /// Ends what lets calls in; the services go on answering what came in before.
    doors_stop: CancellationToken,
    services_stop: CancellationToken,
    doors: JoinSet<anyhow::Result<()>>,
    /// The port for operators, open from the first to the last moment.
    operators: JoinSet<()>,
    operators_stop: CancellationToken,
    services: JoinSet<(&'static str, Result<(), RunError>)>,
    directory: Directory,
    broker: Arc<dyn Broker>,
}

// === impl Platform ===

impl Platform {
    /// Starts the services of these names, and opens the doors once they are there.
    ///
    /// # Errors
    /// A part cannot start.
    pub async fn start(
        ground: Ground<'_>,
        names: &[&'static str],
        broker: Arc<dyn Broker>,
        doors: Doors,
    ) -> anyhow::Result<Self> {
        let Made {
            services: made,
            edge,
            users,
        } = ground.make(names).await?;
        for group in groups() {
            broker.declare(&group).await.with_context(|| {
                format!(
                    "declaring group {}; `outcry topology apply` makes what a service may not",
                    group.name
                )
            })?;
        }
        let mut platform = Self {
            doors_stop: CancellationToken::new(),
            services_stop: CancellationToken::new(),
            doors: JoinSet::new(),
            operators: JoinSet::new(),
            operators_stop: CancellationToken::new(),
            services: JoinSet::new(),
            directory: ground.directory.clone(),
            broker: Arc::clone(&broker),
        };
        if let Some(listener) = doors.operators {
            let contexts = made.iter().map(|(ctx, _)| ctx.clone());
            let mut registry = Registry::default();
            registry.register_collector(Box::new(Exposition::of(contexts)));
            registry.register(
                BUILD,
                "The version that the process is of",
                Info::new([("version", env!("CARGO_PKG_VERSION"))]),
            );
            platform.operators.spawn(administer(
                ground.directory.clone(),
                registry,
                listener,
                platform.operators_stop.clone(),
            ));
        }
        for (ctx, service) in made {
            let broker = Arc::clone(&broker);
            let stop = platform.services_stop.clone();
            let name = service.name;
            platform
                .services
                .spawn(async move { (name, run(ctx, service, broker, stop).await) });
        }
        platform.until_all_are_there(names).await?;
        if let Some(users) = users {
            first_administrator(ground.config, ground.folder, &users).await?;
        }
        ground.directory.set_ready(true);
        if let Some((listener, credentials)) = doors.private {
            let (directory, stop) = (ground.directory.clone(), platform.doors_stop.clone());
            platform.doors.spawn(async move {
                outcry_mesh::listen(directory, listener, credentials, stop).await;
                Ok(())
            });
        }
        if let (Some(edge), Some(listener)) = (edge, doors.public) {
            edge.announce(consumers());
            // One process with all services has all their data.
            if NAMES.iter().all(|name| names.contains(name)) {
                edge.audit_by(audit::examiner(ground.config));
            }
            let stop = platform.doors_stop.clone();
            platform.doors.spawn(async move {
                let served = outcry_gateway::serve(edge, listener, stop).await;
                served.context("answering the public")
            });
        }
        Ok(platform)
    }

    async fn until_all_are_there(&mut self, names: &[&'static str]) -> anyhow::Result<()> {
        let end = tokio::time::Instant::now() + START_MAX;
        loop {
            if let Some(ended) = self.services.try_join_next() {
                let (name, outcome) = ended.context("a service broke")?;
                outcome.with_context(|| format!("starting {name}"))?;
                bail!(
                    "service {name} ended at once; the log above says why, and `outcry doctor` looks for it"
                );
            }
            let there = self.directory.local_names();
            let missing: Vec<&str> = names
                .iter()
                .filter(|name| !there.iter().any(|one| one == *name))
                .copied()
                .collect();
            if missing.is_empty() {
                return Ok(());
            }
            if tokio::time::Instant::now() > end {
                bail!(
                    "not started within {START_MAX:?}: {}; `outcry doctor` looks at what they need",
                    missing.join(", ")
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Runs until a signal asks to stop, or a part that never should ends.
    ///
    /// # Errors
    /// A part ended.
    pub async fn until_asked_to_stop(&mut self, signal: &mut StopSignal) -> anyhow::Result<()> {
        tokio::select! {
            () = signal.received() => Ok(()),
            Some(ended) = self.services.join_next() => {
                let (name, outcome) = ended.context("a service broke")?;
                outcome.with_context(|| format!("running {name}"))?;
                bail!("service {name} ended by itself");
            }
            Some(ended) = self.doors.join_next() => {
                ended.context("what answers calls broke")??;
                bail!("what answers calls ended by itself");
            }
        }
    }

    /// Doors first, so that nothing new comes in; then the services, each draining itself.
    pub async fn stop(mut self) {
        self.directory.set_ready(false);
        self.doors_stop.cancel();
        while let Some(ended) = self.doors.join_next().await {
            if let Ok(Err(error)) = ended {
                info!(error = format!("{error:#}"), "a door closed with an error");
            }
        }
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
        self.operators_stop.cancel();
        while self.operators.join_next().await.is_some() {}
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
            // Written first: after a crash in between, the next start makes the user with it.
            folder.keep_administrator(Administrator {
                email: config.administrator.clone(),
                password,
            })?
        }
    };
    outcry_users::ensure_admin(users, &administrator.email, &administrator.password)
        .await
        .context("making the administrator")?;
    Ok(())
}
