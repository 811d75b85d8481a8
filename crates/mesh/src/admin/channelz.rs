//! gRFC A14: what the process calls, and who calls it, for debugging tools.
//!
//! Numbers are places in ordered lists, not names for ever: a service that becomes known between two
//! questions may move the ones behind it. Connections keep theirs.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, UNIX_EPOCH};

use prost_types::Timestamp;
use tonic::{Request, Response, Status};

use crate::directory::Directory;
use crate::door::{ConnectionView, DoorView};
use crate::overview::{Endpoint, State, Target};
use crate::refusal;

use self::v1::channel_connectivity_state::State as Connectivity;
use self::v1::*;

#[cfg(test)]
pub(super) use self::v1::channelz_client::ChannelzClient;
pub(super) use self::v1::channelz_server::ChannelzServer;

mod v1 {
    tonic::include_proto!("grpc.channelz.v1");
}

/// Entries of one page at most.
const PAGE_MAX: usize = 100;

/// Replicas of one service are numbered within this many places.
const ENDPOINTS_OF_TARGET: i64 = 1 << 20;

/// Ports are numbered from here on among the sockets; connections have smaller numbers.
const LISTENING: i64 = 1 << 40;

/// Answers from what the directory knows at the moment.
pub(super) struct Channelz {
    directory: Directory,
}

impl Channelz {
    pub(super) fn new(directory: Directory) -> Channelz {
        Channelz { directory }
    }

    fn channels(&self) -> Vec<Channel> {
        let overview = self.directory.overview();
        (1..).zip(&overview.targets).map(channel).collect()
    }

    fn subchannels(&self) -> Vec<Subchannel> {
        let overview = self.directory.overview();
        (1..)
            .zip(&overview.targets)
            .flat_map(|(number, target)| {
                (0..)
                    .zip(&target.endpoints)
                    .map(move |(place, endpoint)| subchannel(number, place, target, endpoint))
            })
            .collect()
    }

    fn doors(&self) -> Vec<(i64, DoorView)> {
        (1..).zip(self.directory.doors()).collect()
    }

    fn door(&self, id: i64) -> Result<DoorView, Status> {
        let mut doors = self.doors().into_iter();
        doors
            .find(|(number, _)| *number == id)
            .map(|(_, door)| door)
            .ok_or_else(|| not_there("server", id))
    }
}

#[tonic::async_trait]
impl channelz_server::Channelz for Channelz {
    async fn get_top_channels(
        &self,
        request: Request<GetTopChannelsRequest>,
    ) -> Result<Response<GetTopChannelsResponse>, Status> {
        let asked = request.into_inner();
        let id = |channel: &Channel| channel.r#ref.as_ref().map_or(0, |one| one.channel_id);
        let (channel, end) = page(
            self.channels(),
            id,
            asked.start_channel_id,
            asked.max_results,
        );
        Ok(Response::new(GetTopChannelsResponse { channel, end }))
    }

    async fn get_channel(
        &self,
        request: Request<GetChannelRequest>,
    ) -> Result<Response<GetChannelResponse>, Status> {
        let id = request.into_inner().channel_id;
        let mut channels = self.channels().into_iter();
        let channel =
            channels.find(|one| one.r#ref.as_ref().is_some_and(|one| one.channel_id == id));
        if channel.is_none() {
            return Err(not_there("channel", id));
        }
        Ok(Response::new(GetChannelResponse { channel }))
    }

    async fn get_subchannel(
        &self,
        request: Request<GetSubchannelRequest>,
    ) -> Result<Response<GetSubchannelResponse>, Status> {
        let id = request.into_inner().subchannel_id;
        let mut subchannels = self.subchannels().into_iter();
        let subchannel = subchannels.find(|one| {
            one.r#ref
                .as_ref()
                .is_some_and(|one| one.subchannel_id == id)
        });
        if subchannel.is_none() {
            return Err(not_there("subchannel", id));
        }
        Ok(Response::new(GetSubchannelResponse { subchannel }))
    }

    async fn get_servers(
        &self,
        request: Request<GetServersRequest>,
    ) -> Result<Response<GetServersResponse>, Status> {
        let asked = request.into_inner();
        let servers = self.doors().iter().map(server).collect();
        let id = |server: &Server| server.r#ref.as_ref().map_or(0, |one| one.server_id);
        let (server, end) = page(servers, id, asked.start_server_id, asked.max_results);
        Ok(Response::new(GetServersResponse { server, end }))
    }

    async fn get_server(
        &self,
        request: Request<GetServerRequest>,
    ) -> Result<Response<GetServerResponse>, Status> {
        let id = request.into_inner().server_id;
        let server = Some(server(&(id, self.door(id)?)));
        Ok(Response::new(GetServerResponse { server }))
    }

    async fn get_server_sockets(
        &self,
        request: Request<GetServerSocketsRequest>,
    ) -> Result<Response<GetServerSocketsResponse>, Status> {
        let asked = request.into_inner();
        let sockets = self.door(asked.server_id)?.connections;
        let sockets = sockets.iter().map(socket_ref).collect();
        let id = |socket: &SocketRef| socket.socket_id;
        let (socket_ref, end) = page(sockets, id, asked.start_socket_id, asked.max_results);
        Ok(Response::new(GetServerSocketsResponse { socket_ref, end }))
    }

    async fn get_socket(
        &self,
        request: Request<GetSocketRequest>,
    ) -> Result<Response<GetSocketResponse>, Status> {
        let id = request.into_inner().socket_id;
        let found = self.doors().into_iter().find_map(|(number, door)| {
            if id == LISTENING + number {
                return Some(Socket {
                    r#ref: Some(listening_ref(number, &door)),
                    local: door.local.map(address),
                    ..Socket::default()
                });
            }
            let connection = door.connections.iter().find(|one| number_of(one) == id)?;
            Some(Socket {
                r#ref: Some(socket_ref(connection)),
                data: Some(SocketData {
                    streams_started: whole(connection.streams_started),
                }),
                local: door.local.map(address),
                remote: Some(address(connection.remote)),
            })
        });
        let socket = Some(found.ok_or_else(|| not_there("socket", id))?);
        Ok(Response::new(GetSocketResponse { socket }))
    }
}

/// The entries from `start` on, at most as many as asked for, and whether they are the last.
fn page<T>(all: Vec<T>, id: impl Fn(&T) -> i64, start: i64, wanted: i64) -> (Vec<T>, bool) {
    let wanted = usize::try_from(wanted).unwrap_or(0);
    let size = if wanted == 0 {
        PAGE_MAX
    } else {
        wanted.min(PAGE_MAX)
    };
    let mut rest: Vec<T> = all.into_iter().filter(|one| id(one) >= start).collect();
    rest.sort_by_key(&id);
    let end = rest.len() <= size;
    rest.truncate(size);
    (rest, end)
}

fn channel((number, target): (i64, &Target)) -> Channel {
    let states = target.endpoints.iter().map(|one| connectivity(one.state));
    // As good as the best of its replicas.
    let state = [
        Connectivity::Ready,
        Connectivity::Connecting,
        Connectivity::Idle,
    ]
    .into_iter()
    .find(|state| states.clone().any(|one| one == *state))
    .unwrap_or(Connectivity::TransientFailure);
    let sum = |count: fn(&Endpoint) -> u64| whole(target.endpoints.iter().map(count).sum());
    Channel {
        r#ref: Some(ChannelRef {
            channel_id: number,
            name: target.name.clone(),
        }),
        data: Some(ChannelData {
            state: Some(ChannelConnectivityState {
                state: state.into(),
            }),
            target: target.source.clone(),
            calls_started: sum(|one| one.started),
            calls_succeeded: sum(|one| one.succeeded),
            calls_failed: sum(|one| one.failed),
            last_call_started_timestamp: target
                .endpoints
                .iter()
                .filter_map(|one| one.latest_call_ms)
                .max()
                .and_then(timestamp),
        }),
        subchannel_ref: (0..)
            .zip(&target.endpoints)
            .map(|(place, endpoint)| subchannel_ref(number, place, endpoint))
            .collect(),
    }
}

fn subchannel(number: i64, place: i64, target: &Target, endpoint: &Endpoint) -> Subchannel {
    Subchannel {
        r#ref: Some(subchannel_ref(number, place, endpoint)),
        data: Some(ChannelData {
            state: Some(ChannelConnectivityState {
                state: connectivity(endpoint.state).into(),
            }),
            target: target.name.clone(),
            calls_started: whole(endpoint.started),
            calls_succeeded: whole(endpoint.succeeded),
            calls_failed: whole(endpoint.failed),
            last_call_started_timestamp: endpoint.latest_call_ms.and_then(timestamp),
        }),
    }
}

fn subchannel_ref(number: i64, place: i64, endpoint: &Endpoint) -> SubchannelRef {
    SubchannelRef {
        subchannel_id: number * ENDPOINTS_OF_TARGET + place,
        name: endpoint.address.clone(),
    }
}

fn connectivity(state: State) -> Connectivity {
    match state {
        State::Idle => Connectivity::Idle,
        State::Connecting => Connectivity::Connecting,
        State::Up => Connectivity::Ready,
        State::Failed { .. } | State::Ejected { .. } | State::HalfOpen => {
            Connectivity::TransientFailure
        }
    }
}

fn server((number, door): &(i64, DoorView)) -> Server {
    let streams = door.connections.iter().map(|one| one.streams_started);
    Server {
        r#ref: Some(ServerRef {
            server_id: *number,
            name: door.name.clone(),
        }),
        data: Some(ServerData {
            // Those of connections that are open; the counters have all of them.
            calls_started: whole(streams.sum()),
        }),
        listen_socket: vec![listening_ref(*number, door)],
    }
}

fn listening_ref(number: i64, door: &DoorView) -> SocketRef {
    SocketRef {
        socket_id: LISTENING + number,
        name: door.local.map_or_else(String::new, |at| at.to_string()),
    }
}

fn socket_ref(connection: &ConnectionView) -> SocketRef {
    SocketRef {
        socket_id: number_of(connection),
        name: connection.remote.to_string(),
    }
}

fn number_of(connection: &ConnectionView) -> i64 {
    whole(connection.id)
}

fn address(address: SocketAddr) -> Address {
    let ip_address = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let tcp = address::TcpIpAddress {
        ip_address,
        port: address.port().into(),
    };
    Address {
        address: Some(address::Address::TcpipAddress(tcp)),
    }
}

fn timestamp(unix_ms: u64) -> Option<Timestamp> {
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms))?;
    Some(Timestamp::from(time))
}

/// Counts fit; one that does not is shown as the largest that does.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn not_there(what: &str, id: i64) -> Status {
    refusal::with_reason(
        tonic::Code::NotFound,
        "NOT_FOUND",
        format!("there is no {what} {id} any more"),
    )
}

/// What a tool has found.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) channels: Vec<String>,
    pub(super) subchannels: Vec<String>,
    pub(super) servers: Vec<String>,
    pub(super) sockets: Vec<String>,
}

/// Goes from every list to everything it refers to, as debugging tools do.
#[cfg(test)]
pub(super) async fn walk(tool: &mut ChannelzClient<tonic::transport::Channel>) -> Found {
    let mut found = Found::default();
    let page = tool.get_top_channels(GetTopChannelsRequest::default());
    for channel in page.await.unwrap().into_inner().channel {
        let channel_id = channel.r#ref.unwrap().channel_id;
        let one = tool.get_channel(GetChannelRequest { channel_id });
        let one = one.await.unwrap().into_inner().channel.unwrap();
        found.channels.push(one.r#ref.unwrap().name);
        for reference in one.subchannel_ref {
            let subchannel_id = reference.subchannel_id;
            let one = tool.get_subchannel(GetSubchannelRequest { subchannel_id });
            let one = one.await.unwrap().into_inner().subchannel.unwrap();
            found.subchannels.push(one.r#ref.unwrap().name);
        }
    }
    let page = tool.get_servers(GetServersRequest::default());
    for server in page.await.unwrap().into_inner().server {
        let server_id = server.r#ref.unwrap().server_id;
        let one = tool.get_server(GetServerRequest { server_id });
        let one = one.await.unwrap().into_inner().server.unwrap();
        found.servers.push(one.r#ref.unwrap().name);
        let page = tool.get_server_sockets(GetServerSocketsRequest {
            server_id,
            ..GetServerSocketsRequest::default()
        });
        let connections = page.await.unwrap().into_inner().socket_ref;
        for reference in one.listen_socket.into_iter().chain(connections) {
            let one = tool.get_socket(socket_numbered(reference.socket_id));
            let one = one.await.unwrap().into_inner().socket.unwrap();
            assert!(one.local.is_some());
            found.sockets.push(one.r#ref.unwrap().name);
        }
    }
    found
}

/// A question after one socket.
#[cfg(test)]
pub(super) fn socket_numbered(socket_id: i64) -> GetSocketRequest {
    GetSocketRequest { socket_id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_lead_through_all_entries_once() {
        let all: Vec<i64> = (1..=250).collect();
        let (mut start, mut seen) = (0, Vec::new());
        loop {
            let (entries, end) = page(all.clone(), |one| *one, start, 0);
            assert!(entries.len() <= PAGE_MAX);
            start = entries.last().unwrap() + 1;
            seen.extend(entries);
            if end {
                break;
            }
        }
        assert_eq!(seen, all);
        assert_eq!(page(all, |one| *one, 10, 2), (vec![10, 11], false));
    }
}
