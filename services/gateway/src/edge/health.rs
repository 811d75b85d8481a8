//! `grpc.health.v1`: the whole gateway under the empty name, and each gRPC service under its own.

use std::collections::BTreeSet;

use outcry_mesh::Directory;
use outcry_mesh::authorize::{Rules, service_of};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// Keeps the health of services up to date.
pub(super) struct Keeper {
    directory: Directory,
    reporter: HealthReporter,
}

/// The health methods, and who keeps them true.
pub(super) fn of(directory: &Directory) -> (Routes, Keeper) {
    let (reporter, server) = tonic_health::server::health_reporter();
    (
        Routes::new(server),
        Keeper {
            directory: directory.clone(),
            reporter,
        },
    )
}

impl Keeper {
    /// Reports until `stop`, and from then on that nothing is served any more.
    pub(super) async fn keep(self, stop: CancellationToken) {
        let mut changes = self.directory.changes();
        let services = reachable(self.directory.rules());
        loop {
            changes.mark_unchanged();
            for service in &services {
                let here = !self.directory.serving(service).is_empty();
                self.report(service, here).await;
            }
            tokio::select! {
                () = stop.cancelled() => break,
                changed = changes.changed() => if changed.is_err() { break },
            }
        }
        for service in services.iter().map(String::as_str).chain([""]) {
            self.report(service, false).await;
        }
    }

    async fn report(&self, service: &str, here: bool) {
        let status = if here {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        self.reporter.set_service_status(service, status).await;
    }
}

/// gRPC services with at least one method that is open to the outside.
fn reachable(rules: &Rules) -> BTreeSet<String> {
    rules
        .iter()
        .filter(|(_, rule)| rule.at_the_edge())
        .filter_map(|(path, _)| service_of(path))
        .map(str::to_owned)
        .collect()
}
