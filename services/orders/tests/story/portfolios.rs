//! A portfolio service that knows which portfolios are open, or does not answer.

use std::sync::{Arc, Mutex};

use outcry_contracts::portfolio::v1::portfolio_service_server::{
    PortfolioService, PortfolioServiceServer,
};
use outcry_contracts::portfolio::v1::*;
use tonic::codegen::BoxStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// Survives crashes of the platform.
#[derive(Clone, Default)]
pub struct Portfolios(Arc<Mutex<Shelf>>);

#[derive(Default)]
struct Shelf {
    /// User and portfolio.
    open: Vec<(String, String)>,
    is_silent: bool,
}

impl Portfolios {
    pub fn open(&self, user_id: &str, portfolio_id: &str) {
        let portfolio = (user_id.to_owned(), portfolio_id.to_owned());
        self.0.lock().unwrap().open.push(portfolio);
    }

    pub fn silent(&self, is_silent: bool) {
        self.0.lock().unwrap().is_silent = is_silent;
    }

    pub fn routes(&self) -> Routes {
        Routes::new(PortfolioServiceServer::new(self.clone()))
    }
}

type Answer<T> = Result<Response<T>, Status>;

fn unasked<T>() -> Answer<T> {
    Err(Status::unimplemented("orders does not ask this"))
}

#[tonic::async_trait]
impl PortfolioService for Portfolios {
    async fn check_portfolio(
        &self,
        request: Request<CheckPortfolioRequest>,
    ) -> Answer<CheckPortfolioResponse> {
        let asked = request.into_inner();
        let shelf = self.0.lock().unwrap();
        if shelf.is_silent {
            return Err(Status::unavailable("the connection broke"));
        }
        let open = shelf.open.contains(&(asked.user_id, asked.portfolio_id));
        Ok(Response::new(CheckPortfolioResponse { open }))
    }

    async fn list_positions(
        &self,
        _: Request<ListPositionsRequest>,
    ) -> Answer<ListPositionsResponse> {
        unasked()
    }

    async fn list_lots(&self, _: Request<ListLotsRequest>) -> Answer<ListLotsResponse> {
        unasked()
    }

    async fn get_profit(&self, _: Request<GetProfitRequest>) -> Answer<GetProfitResponse> {
        unasked()
    }

    async fn create_portfolio(
        &self,
        _: Request<CreatePortfolioRequest>,
    ) -> Answer<CreatePortfolioResponse> {
        unasked()
    }

    async fn get_portfolio(&self, _: Request<GetPortfolioRequest>) -> Answer<GetPortfolioResponse> {
        unasked()
    }

    async fn list_portfolios(
        &self,
        _: Request<ListPortfoliosRequest>,
    ) -> Answer<ListPortfoliosResponse> {
        unasked()
    }

    async fn update_portfolio(
        &self,
        _: Request<UpdatePortfolioRequest>,
    ) -> Answer<UpdatePortfolioResponse> {
        unasked()
    }

    async fn set_default_portfolio(
        &self,
        _: Request<SetDefaultPortfolioRequest>,
    ) -> Answer<SetDefaultPortfolioResponse> {
        unasked()
    }

    async fn archive_portfolio(
        &self,
        _: Request<ArchivePortfolioRequest>,
    ) -> Answer<ArchivePortfolioResponse> {
        unasked()
    }

    async fn reactivate_portfolio(
        &self,
        _: Request<ReactivatePortfolioRequest>,
    ) -> Answer<ReactivatePortfolioResponse> {
        unasked()
    }

    type StreamPositionsStream = BoxStream<StreamPositionsResponse>;

    async fn stream_positions(
        &self,
        _: Request<StreamPositionsRequest>,
    ) -> Answer<Self::StreamPositionsStream> {
        unasked()
    }
}
