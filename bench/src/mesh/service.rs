//! The service that is called. It is made by hand: it has a method of each kind, and no contract.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use http::uri::PathAndQuery;
use http::{Request, Response};
use outcry_contracts::options::v1::Criticality;
use outcry_mesh::authorize::{Rule, Rules};
use tonic::Status;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::server::NamedService;
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use super::desk::Desk;

/// The service's name, which is also that of whoever calls it.
pub const NAME: &str = "rig";

/// What a call asks for.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Ask {
    /// The first item of a stream.
    #[prost(uint64, tag = "1")]
    pub position: u64,
    /// As much as a usual request says.
    #[prost(string, tag = "2")]
    pub text: String,
}

/// What is answered.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Told {
    /// Number of the item of a stream.
    #[prost(uint64, tag = "1")]
    pub position: u64,
    /// What was asked.
    #[prost(string, tag = "2")]
    pub text: String,
}

/// The methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Changes nothing, and matters least.
    Read,
    /// Changes something, once only.
    Write,
    /// Takes something back, as often as one likes; matters most.
    Cancel,
    /// Tells items from a position on.
    Watch,
}

// === impl Method ===

impl Method {
    const ALL: [Method; 4] = [Method::Read, Method::Write, Method::Cancel, Method::Watch];

    fn path(self) -> &'static str {
        match self {
            Method::Read => "/outcry.rig.v1.RigService/Read",
            Method::Write => "/outcry.rig.v1.RigService/Write",
            Method::Cancel => "/outcry.rig.v1.RigService/Cancel",
            Method::Watch => "/outcry.rig.v1.RigService/Watch",
        }
    }

    fn of(path: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.path() == path)
    }

    fn rule(self) -> Rule {
        let (idempotent, safe, criticality) = match self {
            Method::Read | Method::Watch => (true, true, Criticality::Sheddable),
            Method::Write => (false, false, Criticality::Critical),
            Method::Cancel => (true, false, Criticality::CriticalPlus),
        };
        Rule {
            callers: vec![NAME.to_owned()],
            streaming: self == Method::Watch,
            idempotent,
            safe,
            criticality,
            owner: NAME.to_owned(),
            ..Rule::default()
        }
    }
}

/// What a contract would say of the methods.
pub fn rules() -> Rules {
    Method::ALL
        .map(|method| (method.path().to_owned(), method.rule()))
        .into_iter()
        .collect()
}

/// The service, as any server of tonic takes it.
#[derive(Clone)]
pub struct RigServer {
    desk: Arc<Desk>,
}

// === impl RigServer ===

impl RigServer {
    /// One that does what the desk does.
    pub fn new(desk: &Arc<Desk>) -> Self {
        Self {
            desk: Arc::clone(desk),
        }
    }
}

impl NamedService for RigServer {
    const NAME: &'static str = "outcry.rig.v1.RigService";
}

impl Service<Request<Body>> for RigServer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let desk = Arc::clone(&self.desk);
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<Told, Ask>::default());
            Ok(match Method::of(request.uri().path()) {
                Some(Method::Watch) => {
                    let watch = service_fn(|ask: tonic::Request<Ask>| {
                        let desk = Arc::clone(&desk);
                        async move { desk.watch(ask).await.map(tonic::Response::new) }
                    });
                    grpc.server_streaming(watch, request).await
                }
                Some(method) => {
                    let answer = service_fn(|ask: tonic::Request<Ask>| {
                        let desk = Arc::clone(&desk);
                        async move { desk.answer(method, ask).await.map(tonic::Response::new) }
                    });
                    grpc.unary(answer, request).await
                }
                None => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

/// Items of a stream.
pub type Items = BoxStream<'static, Result<Told, Status>>;

/// Calls the service, through whatever it is reached.
pub type Client = Arc<dyn Calls>;

/// Calls of the service.
#[tonic::async_trait]
pub trait Calls: Send + Sync {
    /// Calls a unary method.
    async fn call(&self, method: Method, request: tonic::Request<Ask>) -> Result<Told, Status>;
    /// Opens a stream.
    async fn watch(&self, request: tonic::Request<Ask>) -> Result<Items, Status>;
}

/// A client of the service on a channel of tonic, or one of the mesh.
pub struct RigClient<T> {
    grpc: Grpc<T>,
}

// === impl RigClient ===

impl<T> RigClient<T>
where
    T: GrpcService<Body, ResponseBody = Body, Future: Send> + Clone + Send + Sync + 'static,
{
    /// One on this channel.
    pub fn on(channel: T) -> Client {
        let grpc = Grpc::new(channel);
        Arc::new(Self { grpc })
    }
}

#[tonic::async_trait]
impl<T> Calls for RigClient<T>
where
    T: GrpcService<Body, ResponseBody = Body, Future: Send> + Clone + Send + Sync + 'static,
{
    async fn call(&self, method: Method, request: tonic::Request<Ask>) -> Result<Told, Status> {
        let mut grpc = self.grpc.clone();
        let ready = grpc.ready().await;
        ready.map_err(|error| Status::from_error(error.into()))?;
        let path = PathAndQuery::from_static(method.path());
        let answer = grpc.unary(request, path, Messages::default()).await?;
        Ok(answer.into_inner())
    }

    async fn watch(&self, request: tonic::Request<Ask>) -> Result<Items, Status> {
        let mut grpc = self.grpc.clone();
        let ready = grpc.ready().await;
        ready.map_err(|error| Status::from_error(error.into()))?;
        let path = PathAndQuery::from_static(Method::Watch.path());
        let answer = grpc.server_streaming(request, path, Messages::default());
        Ok(Box::pin(answer.await?.into_inner()))
    }
}

/// How a client writes and reads messages.
type Messages = ProstCodec<Ask, Told>;
