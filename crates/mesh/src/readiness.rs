//! Whether the process is ready, as `grpc.health.v1` reports it.

use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::directory::Directory;

/// Reports whether the process is ready, and from `shutdown` on that it is not.
pub(crate) async fn keep(
    reporter: HealthReporter,
    directory: Directory,
    shutdown: CancellationToken,
) {
    let mut readiness = directory.readiness();
    loop {
        let ready = *readiness.borrow_and_update();
        report(&reporter, ready).await;
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = readiness.changed() => if changed.is_err() { break },
        }
    }
    report(&reporter, false).await;
}

async fn report(reporter: &HealthReporter, ready: bool) {
    let status = if ready {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    reporter.set_service_status("", status).await;
}
