//! `outcry up`: the whole platform in this process.

use std::path::PathBuf;
use std::sync::Arc;

use outcry_mesh::{Directory, Rules};
use outcry_service::{Clock, SystemClock};
use serde_json::json;

use crate::arguments::Up;
use crate::brokers;
use crate::config::Config;
use crate::demo;
use crate::environment;
use crate::folder::Folder;
use crate::output::Output;
use crate::platform::{Doors, Platform, bind, open_admin, prepare};
use crate::services::{Ground, NAMES};
use crate::site::Site;
use crate::stop_signal::StopSignal;
use crate::stores::Stores;

/// `outcry up`
///
/// # Errors
/// The platform cannot start or a part of it fails; the message says what to do.
pub async fn run_platform(up: Up, out: Output) -> anyhow::Result<()> {
    let mut signal = StopSignal::listen()?;
    let config = Config::load(&up.settings)?;
    let telemetry = prepare(&config)?;
    environment::check_edge(&config)?;
    let faults = environment::faults(&config)?;
    let folder = Folder::make(&config.data)?;
    let listener = bind(config.listen, "--listen").await?;
    let address = format!("{}://{}", config.gateway.scheme(), listener.local_addr()?);
    let operators = open_admin(&config, out).await?;
    let stores = Stores::connect(&config, &folder).await?;
    let broker = brokers::connect(&config, &stores, "outcry up").await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ids = Arc::clone(&clock);
    let directory = Directory::with(Rules::of_the_contract(), move || ids.new_id());
    directory.inject(faults);
    let ground = Ground {
        config: &config,
        folder: &folder,
        stores: &stores,
        clock: &clock,
        directory: &directory,
        address: "",
    };
    let doors = Doors {
        public: Some(listener),
        private: None,
        operators,
    };
    let start = Box::pin(Platform::start(ground, &NAMES, broker, doors));
    let Some(mut platform) = signal.unless_received(start).await? else {
        out.news(
            "stopped before it was there",
            &json!({ "state": "stopped" }),
        );
        return Ok(());
    };
    folder.set_address(&address)?;
    out.news(
        &format!(
            "outcry is running at {address}, data in {}",
            stores.place(&folder)
        ),
        &json!({ "state": "running", "address": address, "services": NAMES }),
    );
    let outcome = async {
        let market = if up.demo {
            let site = Site::new(&address, &authorities(&up, &config))?;
            let opening = Box::pin(demo::open(&site, &folder, &config, out));
            let Some(market) = signal.unless_received(opening).await? else {
                return Ok(());
            };
            out.news(
                &demo::hints(&address, &up, &config),
                &json!({ "state": "trading", "administrator": folder.administrator_file() }),
            );
            Some(market)
        } else {
            None
        };
        let outcome = platform.until_asked_to_stop(&mut signal).await;
        if let Some(market) = market {
            market.close().await;
        }
        outcome
    }
    .await;
    out.news("draining …", &json!({ "state": "draining" }));
    folder.clear_address();
    platform.stop().await;
    let closed = stores.close().await;
    telemetry.flush().await;
    outcome.and(closed)?;
    out.news("stopped, nothing lost", &json!({ "state": "stopped" }));
    Ok(())
}

/// Whose certificates the demo's traders trust: the platform's own is at hand.
fn authorities(up: &Up, config: &Config) -> Vec<PathBuf> {
    let own = Some(config.gateway.tls.certificate.clone());
    let own = own.filter(|file| !file.as_os_str().is_empty());
    own.into_iter().chain(up.ca.clone()).collect()
}
