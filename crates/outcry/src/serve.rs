//! `outcry serve`: some services in this process, the others elsewhere.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use outcry_mesh::{Credentials, Directory, Endpoints, Rules};
use outcry_service::{Clock, SystemClock};
use serde_json::{Value, json};
use tracing::warn;

use crate::arguments::Serve;
use crate::brokers;
use crate::config::Config;
use crate::environment;
use crate::failure::Usage;
use crate::folder::Folder;
use crate::identity;
use crate::output::Output;
use crate::platform::{Doors, Platform, bind, open_admin, prepare};
use crate::services::{Ground, NAMES};
use crate::stop_signal::StopSignal;
use crate::stores::Stores;

/// The service with the public edge.
const GATEWAY: &str = "gateway";

/// `outcry serve`
///
/// # Errors
/// The services cannot start or one of them fails; the message says what to do.
pub async fn run(serve: Serve, out: Output) -> anyhow::Result<()> {
    let mut signal = StopSignal::listen()?;
    let config = Config::load(&serve.settings)?;
    let telemetry = prepare(&config)?;
    let faults = environment::faults(&config)?;
    if config.broker.url.is_empty() || config.database.url.is_empty() {
        return Err(Usage::new(
            "services of several processes meet in RabbitMQ and PostgreSQL: give --broker amqp://… \
             and --database postgres://…; without them, `outcry up` runs everything in one process",
        )
        .into());
    }
    let names: Vec<&'static str> = NAMES
        .into_iter()
        .filter(|name| serve.services.iter().any(|asked| asked == name))
        .collect();
    if names.contains(&GATEWAY) {
        environment::check_edge(&config)?;
    }
    let folder = Folder::make(&config.data)?;
    let credentials = identity::credentials(&config, &folder, &names)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let directory = directory(&config, &clock, &names, &credentials)?;
    directory.inject(faults);
    let private = bind(config.mesh.listen, "`listen` in [mesh]").await?;
    let address = if config.mesh.address.is_empty() {
        format!(
            "{}://{}",
            identity::scheme(&credentials),
            private.local_addr()?
        )
    } else {
        let own: Endpoints = config.mesh.address.parse().context("`address` in [mesh]")?;
        own.fit(&credentials).context("`address` in [mesh]")?;
        config.mesh.address.clone()
    };
    let public = if names.contains(&GATEWAY) {
        Some(bind(config.listen, "--listen").await?)
    } else {
        None
    };
    let edge = match &public {
        Some(listener) => Some(format!(
            "{}://{}",
            config.gateway.scheme(),
            listener.local_addr()?
        )),
        None => None,
    };
    let operators = open_admin(&config, out).await?;
    let stores = Stores::connect(&config, &folder).await?;
    let broker = brokers::connect(&config, &stores, &names.join("+")).await?;
    let ground = Ground {
        config: &config,
        folder: &folder,
        stores: &stores,
        clock: &clock,
        directory: &directory,
        address: &address,
    };
    let doors = Doors {
        public,
        private: Some((private, credentials)),
        operators,
    };
    let start = Box::pin(Platform::start(ground, &names, broker, doors));
    let Some(mut platform) = signal.unless_received(start).await? else {
        out.news(
            "stopped before it was there",
            &json!({ "state": "stopped" }),
        );
        return Ok(());
    };
    out.news(
        &format!("{} running, reached at {address}", names.join(", ")),
        &json!({ "state": "running", "services": names, "mesh": address, "address": edge }),
    );
    if let Some(edge) = &edge {
        folder.set_address(edge)?;
        if !out.is_json() {
            out.news(&format!("the public edge is at {edge}"), &Value::Null);
        }
    }
    let outcome = platform.until_asked_to_stop(&mut signal).await;
    out.news("draining …", &json!({ "state": "draining" }));
    if edge.is_some() {
        folder.clear_address();
    }
    platform.stop().await;
    let closed = stores.close().await;
    telemetry.flush().await;
    outcome.and(closed)?;
    out.news("stopped, nothing lost", &json!({ "state": "stopped" }));
    Ok(())
}

/// Who is where: services made here will register themselves, all others are peers.
fn directory(
    config: &Config,
    clock: &Arc<dyn Clock>,
    here: &[&'static str],
    credentials: &Credentials,
) -> anyhow::Result<Directory> {
    let ids = Arc::clone(clock);
    let directory = Directory::with(Rules::of_the_contract(), move || ids.new_id());
    directory.join(credentials.clone());
    for (name, addresses) in &config.mesh.peers {
        if !NAMES.contains(&name.as_str()) {
            bail!(
                "[mesh.peers] names {name}, which is no service; services are {}",
                NAMES.join(", ")
            );
        }
        let endpoints: Endpoints = addresses
            .join(",")
            .parse()
            .with_context(|| format!("[mesh.peers] of {name}"))?;
        endpoints
            .fit(credentials)
            .with_context(|| format!("[mesh.peers] of {name}"))?;
        directory.remote(name, endpoints);
    }
    for name in NAMES {
        if !here.contains(&name) && !config.mesh.peers.contains_key(name) {
            warn!(
                service = name,
                "not run here and not among [mesh.peers]: cannot be called"
            );
        }
    }
    Ok(directory)
}
