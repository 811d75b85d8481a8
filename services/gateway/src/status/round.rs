//! One round: every replica that is known is asked how it stands.

use std::time::Duration;

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
    let asked = places(directory)
        .into_iter()
        .map(|place| ask(directory, place));
    stream::iter(asked).buffered(AT_ONCE).collect().await
}

/// Every replica that is known here. One that is known by its name only is asked by it.
fn places(directory: &Directory) -> Vec<Place> {
    let (targets, local) = (directory.overview().targets, directory.local_names());
    let mut places = Vec::new();
    for service in directory.serving(REPLICA) {
        let is_here = local.contains(&service);
        let elsewhere = targets.iter().filter(|target| target.name == service);
        let mut addresses: Vec<String> = elsewhere
            .flat_map(|target| &target.endpoints)
            .map(|endpoint| endpoint.address.clone())
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(REPLICAS_MAX);
        if is_here || addresses.is_empty() {
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
