//! The ten services, made and listed: the only place that knows them all.

use std::sync::Arc;

use anyhow::Context as _;
use outcry_gateway::Edge;
use outcry_mesh::Directory;
use outcry_service::{Clock, Context, Service};
use outcry_sqlite::Database;
use outcry_store::SqliteStore;

use crate::config::Config;
use crate::folder::Folder;

/// Names of the services.
pub const NAMES: [&str; 10] = [
    "users",
    "orders",
    "trades",
    "funds",
    "payments",
    "ledger",
    "portfolio",
    "reports",
    "notifications",
    "gateway",
];

/// Consumer groups with their topic patterns.
pub fn consumers() -> [(&'static str, &'static [&'static str]); 8] {
    [
        ("orders", outcry_orders::CONSUMES),
        ("trades", outcry_trades::CONSUMES),
        ("funds", outcry_funds::CONSUMES),
        ("ledger", outcry_ledger::CONSUMES),
        ("portfolio", outcry_portfolio::CONSUMES),
        ("reports", outcry_reports::CONSUMES),
        ("notifications", outcry_notifications::CONSUMES),
        ("gateway", outcry_gateway::CONSUMES),
    ]
}

/// All services, ready to be run.
pub struct Made {
    /// Each with its context.
    pub services: Vec<(Context, Service)>,
    /// The public edge, to be served once they run.
    pub edge: Edge,
    /// The context of the users service, for making the first administrator.
    pub users: Context,
}

/// Makes all services over one database.
///
/// # Errors
/// A store cannot be opened, or a service cannot work with its configuration.
pub async fn make(
    config: &Config,
    folder: &Folder,
    database: &Database,
    clock: &Arc<dyn Clock>,
    directory: &Directory,
) -> anyhow::Result<Made> {
    let context = async |name: &'static str| -> anyhow::Result<Context> {
        let store = SqliteStore::open(database, name)
            .await
            .with_context(|| format!("opening the tables of {name}"))?;
        let clock = Arc::clone(clock);
        Ok(Context::new(
            name,
            Arc::new(store),
            clock,
            directory.clone(),
        ))
    };
    let mut services = Vec::new();

    let users = context("users").await?;
    let settings = config.users(folder);
    services.push((
        users.clone(),
        outcry_users::service(users.clone(), settings)
            .await
            .context("starting users")?,
    ));

    let ctx = context("orders").await?;
    let service =
        outcry_orders::service(ctx.clone(), config.orders()).context("starting orders")?;
    services.push((ctx, service));

    let ctx = context("trades").await?;
    let service = outcry_trades::service(ctx.clone(), config.market.clone())
        .await
        .context("starting trades")?;
    services.push((ctx, service));

    let ctx = context("funds").await?;
    let service = outcry_funds::service(ctx.clone(), outcry_funds::Config::default())
        .context("starting funds")?;
    services.push((ctx, service));

    let ctx = context("payments").await?;
    let service = outcry_payments::service(ctx.clone(), config.payments.clone())
        .await
        .context("starting payments")?;
    services.push((ctx, service));

    let ctx = context("ledger").await?;
    let service = outcry_ledger::service(ctx.clone(), outcry_ledger::Config::default())
        .context("starting ledger")?;
    services.push((ctx, service));

    let ctx = context("portfolio").await?;
    let service = outcry_portfolio::service(ctx.clone(), outcry_portfolio::Config::default())
        .await
        .context("starting portfolio")?;
    services.push((ctx, service));

    let ctx = context("reports").await?;
    let service = outcry_reports::service(ctx.clone(), config.reports.clone())
        .await
        .context("starting reports")?;
    services.push((ctx, service));

    let ctx = context("notifications").await?;
    let service =
        outcry_notifications::service(ctx.clone(), outcry_notifications::Config::default())
            .await
            .context("starting notifications")?;
    services.push((ctx, service));

    let ctx = context("gateway").await?;
    let (service, edge) = outcry_gateway::service(ctx.clone(), config.gateway.clone())
        .await
        .context("starting the gateway")?;
    services.push((ctx, service));

    Ok(Made {
        services,
        edge,
        users,
    })
}
