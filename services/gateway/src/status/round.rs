//! One round: every replica that is known is asked how it stands.

use std::time::Duration;

use futures::future::join_all;
use futures::{StreamExt, stream};
use outcry_contracts::operations::v1::replica_service_client::ReplicaServiceClient;
use outcry_contracts::operations::v1::{GetStatusRequest, GetStatusResponse};
use outcry_mesh::{Channel, Directory};
use tokio::time::timeout;

use crate::SERVICE;

/// The gRPC service that every service serves of itself.
const REPLICA: &str = "outcry.operations.v1.ReplicaService";

/// How long an answer may take: a round should be over when the next one begins.
const ANSWER_WITHIN: Duration = Duration::from_millis(800);

/// Replicas of one service that are asked at most; a picture with more helps nobody.
const REPLICAS_MAX: usize = 64;

/// Replicas that are asked at the same time at most: few enough to be no burden for the mesh, and
/// enough for a round to be over in time when some do not answer.
const AT_ONCE: usize = 32;

/// What a replica was asked, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) service: String,
    /// Where it was asked; empty of one in this process.
    pub(super) address: String,
    /// How it stands, or why it is not known.
    pub(super) told: Result<GetStatusResponse, String>,
}

/// A replica that can be asked.
struct Place {
    service: String,
    address: Option<String>,
}

/// Asks all of them; in order of service and address.
pub(super) async fn ask_all(directory: &Directory) -> Vec<Answer> {
    let places = places(directory).await;
    let asked = places.into_iter().map(|place| ask(directory, place));
    stream::iter(asked).buffered(AT_ONCE).collect().await
}

/// Every replica that is known here. A service of which none is known is asked by its name, which
/// tells why.
async fn places(directory: &Directory) -> Vec<Place> {
    let local = directory.local_names();
    let services = directory.serving(REPLICA);
    let looked_up = services.iter().map(|service| replicas(directory, service));
    let addresses = join_all(looked_up).await;
    let mut places = Vec::new();
    for (service, addresses) in services.into_iter().zip(addresses) {
        if addresses.is_empty() || local.contains(&service) {
            places.push(Place {
                service: service.clone(),
                address: None,
            });
        }
        places.extend(addresses.into_iter().map(|address| Place {
            service: service.clone(),
            address: Some(address),
        }));
    }
    places
}

/// Where a service's replicas are in other processes; none while its name cannot be looked up.
async fn replicas(directory: &Directory, service: &str) -> Vec<String> {
    let known = timeout(ANSWER_WITHIN, directory.replicas(service)).await;
    let mut addresses = known.unwrap_or_default();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(REPLICAS_MAX);
    addresses
}

async fn ask(directory: &Directory, place: Place) -> Answer {
    let Place { service, address } = place;
    let channel: Channel = match &address {
        None => directory.channel(SERVICE, service.clone()),
        Some(address) => directory.channel_at(SERVICE, service.clone(), address.clone()),
    };
    let mut replica = ReplicaServiceClient::new(channel);
    let told = match timeout(ANSWER_WITHIN, replica.get_status(GetStatusRequest {})).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(status.message().to_owned()),
        Err(_elapsed) => Err(format!("no answer within {} ms", ANSWER_WITHIN.as_millis())),
    };
    Answer {
        service,
        address: address.unwrap_or_default(),
        told,
    }
}
