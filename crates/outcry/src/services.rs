//! The ten services, made and listed: the only place that knows them all.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use outcry_broker::{CloudEvents, Group};
use outcry_gateway::Edge;
use outcry_mesh::Directory;
use outcry_service::reaction::PARTITIONS;
use outcry_service::{Clock, Context, GroupSpec, Service, Unknown};

use crate::config::Config;
use crate::folder::Folder;
use crate::stores::Stores;

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

/// Every consumer group of the platform with its topics and partitions, wherever its service runs:
/// all are declared before anybody publishes. What a group does with events is its service's own
/// business.
pub fn consumers() -> [GroupSpec; 8] {
    let group = |name, topics, partitions| {
        GroupSpec::new(name, topics, Unknown::Handle).partitions(partitions)
    };
    [
        group("orders", outcry_orders::CONSUMES, PARTITIONS),
        group("trades", outcry_trades::CONSUMES, PARTITIONS),
        group("funds", outcry_funds::CONSUMES, PARTITIONS),
        group("ledger", outcry_ledger::CONSUMES, 1),
        group("portfolio", outcry_portfolio::CONSUMES, PARTITIONS),
        group("reports", outcry_reports::CONSUMES, PARTITIONS),
        group("notifications", outcry_notifications::CONSUMES, PARTITIONS),
        group("gateway", outcry_gateway::CONSUMES, 1),
    ]
}

/// The same as the broker needs them.
pub fn groups() -> Vec<Group> {
    consumers().iter().map(Group::from).collect()
}

/// Services, ready to be run.
pub struct Made {
    /// Each with its context.
    pub services: Vec<(Context, Service)>,
    /// The public edge, when the gateway is among them.
    pub edge: Option<Edge>,
    /// The context of the users service, for making the first administrator.
    pub users: Option<Context>,
}

/// What services are made of.
pub struct Ground<'platform> {
    /// The platform's configuration.
    pub config: &'platform Config,
    /// Its data folder.
    pub folder: &'platform Folder,
    /// Where each service's data is.
    pub stores: &'platform Stores,
    /// The time.
    pub clock: &'platform Arc<dyn Clock>,
    /// Who is where.
    pub directory: &'platform Directory,
    /// Where other processes reach this one; empty when there are none.
    pub address: &'platform str,
}

// === impl Ground ===

impl Ground<'_> {
    /// Makes the services of these names.
    ///
    /// # Errors
    /// A store cannot be opened, or a service cannot work with its configuration.
    pub async fn make(&self, names: &[&'static str]) -> anyhow::Result<Made> {
        let mut made = Made {
            services: Vec::new(),
            edge: None,
            users: None,
        };
        for name in names {
            let starting = || format!("starting {name}");
            let ctx = self.context(name).await?;
            let service = self.service(name, &ctx, &mut made).await;
            let service = service.with_context(starting)?;
            made.services.push((ctx, service));
        }
        Ok(made)
    }

    async fn context(&self, name: &'static str) -> anyhow::Result<Context> {
        let store = self.stores.open(name).await?;
        let clock = Arc::clone(self.clock);
        let dialects = if self.config.broker.cloud_events_amqp_1 {
            CloudEvents::Both
        } else {
            CloudEvents::Plain
        };
        let ctx = Context::new(name, store, clock, self.directory.clone());
        let ctx = ctx.with_address(self.address).with_cloud_events(dialects);
        Ok(ctx.recording_calls())
    }

    async fn service(
        &self,
        name: &'static str,
        ctx: &Context,
        made: &mut Made,
    ) -> anyhow::Result<Service> {
        let (ctx, config) = (ctx.clone(), self.config);
        Ok(match name {
            "users" => {
                made.users = Some(ctx.clone());
                outcry_users::service(ctx, config.users(self.folder)).await?
            }
            "orders" => outcry_orders::service(ctx, config.orders())?,
            "trades" => outcry_trades::service(ctx, config.market.clone()).await?,
            "funds" => outcry_funds::service(ctx, outcry_funds::Config::default())?,
            "payments" => outcry_payments::service(ctx, config.payments(self.folder)).await?,
            "ledger" => outcry_ledger::service(ctx, outcry_ledger::Config::default())?,
            "portfolio" => {
                outcry_portfolio::service(ctx, outcry_portfolio::Config::default()).await?
            }
            "reports" => outcry_reports::service(ctx, config.reports.clone()).await?,
            "notifications" => {
                outcry_notifications::service(ctx, config.notifications.clone()).await?
            }
            "gateway" => {
                let (service, edge) = outcry_gateway::service(ctx, config.gateway.clone()).await?;
                made.edge = Some(edge);
                service
            }
            other => bail!("there is no service {other}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use outcry_mesh::Rules;
    use outcry_service::SystemClock;

    use super::*;

    /// A process declares groups of services it does not run, so the list must not drift from them.
    #[tokio::test]
    async fn the_list_of_groups_is_what_the_services_say() {
        let data = tempfile::tempdir().unwrap();
        let config = Config {
            data: data.path().to_owned(),
            ..Config::default()
        };
        let folder = Folder::make(&config.data).unwrap();
        let stores = Stores::connect(&config, &folder).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let ids = Arc::clone(&clock);
        let directory = Directory::with(Rules::of_the_contract(), move || ids.new_id());
        let ground = Ground {
            config: &config,
            folder: &folder,
            stores: &stores,
            clock: &clock,
            directory: &directory,
            address: "",
        };
        let made = ground.make(&NAMES).await.unwrap();
        let mut said: Vec<Group> = made
            .services
            .iter()
            .flat_map(|(_, service)| &service.reactions)
            .map(|reaction| Group::from(&reaction.group()))
            .collect();
        let mut listed = groups();
        said.sort_by_key(|group| group.name);
        listed.sort_by_key(|group| group.name);
        assert_eq!(listed, said);
    }
}
