//! gRPC: portfolios, positions, lots and profit.

use outcry_contracts::portfolio::v1 as wire;
use outcry_contracts::portfolio::v1::portfolio_service_server::PortfolioService;
use outcry_events::Amount;
use outcry_mesh::{refusal, subject, user};
use outcry_service::{Context, answers, store_failure};
use outcry_store::{Store, StoreError};
use prost::Message;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use crate::desk::{self, Change};
use crate::domain::{Lot, Portfolios, Position, main_portfolio};
use crate::showing;
use crate::stream::{Messages, Streams, Wanted};
use crate::views::{self, PORTFOLIOS, ROWS_MAX};

const CREATE: &str = "/outcry.portfolio.v1.PortfolioService/CreatePortfolio";
const UPDATE: &str = "/outcry.portfolio.v1.PortfolioService/UpdatePortfolio";
const SET_DEFAULT: &str = "/outcry.portfolio.v1.PortfolioService/SetDefaultPortfolio";
const ARCHIVE: &str = "/outcry.portfolio.v1.PortfolioService/ArchivePortfolio";
const REACTIVATE: &str = "/outcry.portfolio.v1.PortfolioService/ReactivatePortfolio";

/// The methods of the service.
pub(crate) struct Api {
    ctx: Context,
    streams: Streams,
}

/// A request to change a portfolio.
struct Asked<'a> {
    method: &'static str,
    request_id: &'a str,
    /// None for a new one.
    portfolio_id: Option<&'a str>,
    change: Change<'a>,
}

// === impl Api ===

impl Api {
    pub(crate) fn new(ctx: Context, streams: Streams) -> Api {
        Api { ctx, streams }
    }

    fn store(&self) -> &dyn Store {
        self.ctx.store.as_ref()
    }

    /// The positions of the user a caller means, and which portfolio of them.
    async fn positions<T>(
        &self,
        request: &Request<T>,
        named: &str,
        portfolio_id: &str,
    ) -> Result<(Vec<Position>, Option<Uuid>), Status> {
        let user_id = subject(request, named)?;
        let portfolio_id = self.portfolio_of(&user_id, portfolio_id).await?;
        let positions = views::positions(self.store(), &user_id)
            .await
            .map_err(store_failure)?;
        // A user who has just registered may be not known here yet; others who ask have mistyped.
        let own = user(request).is_ok_and(|user| user.id == user_id);
        if positions.is_empty() && !own {
            let known = self.store().view(PORTFOLIOS, &user_id).await;
            if known.map_err(store_failure)?.is_none() {
                return Err(refusal::with_reason(
                    Code::NotFound,
                    "NO_SUCH_PORTFOLIO",
                    "there is no such user",
                ));
            }
        }
        Ok((positions, portfolio_id))
    }

    /// A portfolio of a user; none means all.
    async fn portfolio_of(&self, user_id: &str, named: &str) -> Result<Option<Uuid>, Status> {
        if named.is_empty() {
            return Ok(None);
        }
        let id = parsed(named)?;
        let read = views::portfolios(self.store(), user_id).await;
        desk::shown(&read.map_err(store_failure)?.0, id)?;
        Ok(Some(id))
    }

    /// Carries a change out, once.
    async fn change<Body: Message, Reply: Message + Default>(
        &self,
        request: &Request<Body>,
        asked: Asked<'_>,
        reply: impl Fn(wire::Portfolio) -> Reply,
    ) -> Result<Response<Reply>, Status> {
        let user_id = &user(request)?.id;
        let portfolio_id = match asked.portfolio_id {
            Some(named) => parsed(named)?,
            None => self.ctx.clock.new_id(),
        };
        let (ctx, change) = (&self.ctx, &asked.change);
        let work = async |pending| {
            desk::change(ctx, user_id, portfolio_id, change, &pending, &reply).await
        };
        let done = answers::once(ctx, request, asked.method, asked.request_id, work).await?;
        Ok(Response::new(done))
    }
}

#[tonic::async_trait]
impl PortfolioService for Api {
    async fn list_positions(
        &self,
        request: Request<wire::ListPositionsRequest>,
    ) -> Result<Response<wire::ListPositionsResponse>, Status> {
        let asked = request.get_ref();
        let (positions, portfolio_id) = self
            .positions(&request, &asked.user_id, &asked.portfolio_id)
            .await?;
        let prices = views::prices(self.store()).await.map_err(store_failure)?;
        let mut shown = Vec::new();
        for position in &positions {
            if let Some(sums) = showing::sums(position, portfolio_id) {
                let symbol = &position.symbol;
                shown.push(showing::position(symbol, &sums, portfolio_id, &prices)?);
            }
        }
        Ok(Response::new(wire::ListPositionsResponse {
            positions: shown,
        }))
    }

    async fn list_lots(
        &self,
        request: Request<wire::ListLotsRequest>,
    ) -> Result<Response<wire::ListLotsResponse>, Status> {
        let asked = request.get_ref();
        let user_id = subject(&request, &asked.user_id)?;
        let portfolio_id = self.portfolio_of(&user_id, &asked.portfolio_id).await?;
        // One more than can be shown tells whether there are too many.
        let scan = views::open_lots(&user_id, &asked.symbol, portfolio_id).limit(ROWS_MAX + 1);
        let rows = self.store().scan(&scan).await.map_err(store_failure)?;
        if rows.len() > ROWS_MAX {
            let message = format!("the position has more than {ROWS_MAX} open lots");
            return Err(refusal::with_reason(
                Code::FailedPrecondition,
                "TOO_MANY_LOTS",
                message,
            ));
        }
        let lots = rows
            .iter()
            .map(|row| row.decode::<Lot>().map(|lot| showing::lot(&lot)))
            .collect::<Result<_, StoreError>>()
            .map_err(store_failure)?;
        Ok(Response::new(wire::ListLotsResponse { lots }))
    }

    async fn get_profit(
        &self,
        request: Request<wire::GetProfitRequest>,
    ) -> Result<Response<wire::GetProfitResponse>, Status> {
        let asked = request.get_ref();
        let (positions, portfolio_id) = self
            .positions(&request, &asked.user_id, &asked.portfolio_id)
            .await?;
        let prices = views::prices(self.store()).await.map_err(store_failure)?;
        let (mut realised, mut unrealised, mut fees) = (Vec::new(), Vec::new(), Vec::new());
        for position in &positions {
            if let Some(sums) = showing::sums(position, portfolio_id) {
                let valued = showing::valued(&position.symbol, &sums, &prices)?;
                unrealised.extend(valued.map(|valued| valued.profit));
                realised.push(sums.realised_profit);
                fees.push(sums.fees);
            }
        }
        let total = |amounts: Vec<Amount>| {
            Amount::checked_sum(amounts)
                .map(Amount::to_money)
                .ok_or_else(showing::too_large)
        };
        Ok(Response::new(wire::GetProfitResponse {
            realised: Some(total(realised)?),
            unrealised: Some(total(unrealised)?),
            fees: Some(total(fees)?),
        }))
    }

    async fn create_portfolio(
        &self,
        request: Request<wire::CreatePortfolioRequest>,
    ) -> Result<Response<wire::CreatePortfolioResponse>, Status> {
        let body = request.get_ref();
        let asked = Asked {
            method: CREATE,
            request_id: &body.request_id,
            portfolio_id: None,
            change: Change::Create { name: &body.name },
        };
        let reply = |portfolio| wire::CreatePortfolioResponse {
            portfolio: Some(portfolio),
        };
        self.change(&request, asked, reply).await
    }

    async fn get_portfolio(
        &self,
        request: Request<wire::GetPortfolioRequest>,
    ) -> Result<Response<wire::GetPortfolioResponse>, Status> {
        let caller = user(&request)?.id.clone();
        let named = &request.get_ref().portfolio_id;
        let (portfolios, portfolio_id) = if named.is_empty() {
            let read = views::portfolios(self.store(), &caller).await;
            let portfolios = read.map_err(store_failure)?.0;
            let default_id = portfolios.default_id;
            (portfolios, default_id)
        } else {
            let id = parsed(named)?;
            let found = views::with_portfolio(self.store(), id).await;
            let found = found.map_err(store_failure)?;
            // Everybody has a main one, also before anything was written down.
            let own = || (id == main_portfolio(&caller)).then(|| Portfolios::new(&caller));
            (found.or_else(own).ok_or_else(desk::unknown)?, id)
        };
        // To others it is not there: ids are nothing to learn from.
        subject(&request, &portfolios.user_id).map_err(|_| desk::unknown())?;
        let portfolio = Some(desk::shown(&portfolios, portfolio_id)?);
        Ok(Response::new(wire::GetPortfolioResponse { portfolio }))
    }

    async fn list_portfolios(
        &self,
        request: Request<wire::ListPortfoliosRequest>,
    ) -> Result<Response<wire::ListPortfoliosResponse>, Status> {
        let asked = request.get_ref();
        let user_id = subject(&request, &asked.user_id)?;
        let read = views::portfolios(self.store(), &user_id).await;
        let all = read.map_err(store_failure)?.0;
        let listed = all.listed(asked.active_only).into_iter();
        let portfolios = listed.map(|one| showing::portfolio(&all, one)).collect();
        Ok(Response::new(wire::ListPortfoliosResponse { portfolios }))
    }

    async fn update_portfolio(
        &self,
        request: Request<wire::UpdatePortfolioRequest>,
    ) -> Result<Response<wire::UpdatePortfolioResponse>, Status> {
        let body = request.get_ref();
        let asked = Asked {
            method: UPDATE,
            request_id: &body.request_id,
            portfolio_id: Some(&body.portfolio_id),
            change: Change::Rename { name: &body.name },
        };
        let reply = |portfolio| wire::UpdatePortfolioResponse {
            portfolio: Some(portfolio),
        };
        self.change(&request, asked, reply).await
    }

    async fn set_default_portfolio(
        &self,
        request: Request<wire::SetDefaultPortfolioRequest>,
    ) -> Result<Response<wire::SetDefaultPortfolioResponse>, Status> {
        let body = request.get_ref();
        let asked = Asked {
            method: SET_DEFAULT,
            request_id: &body.request_id,
            portfolio_id: Some(&body.portfolio_id),
            change: Change::SetDefault,
        };
        let reply = |portfolio| wire::SetDefaultPortfolioResponse {
            portfolio: Some(portfolio),
        };
        self.change(&request, asked, reply).await
    }

    async fn archive_portfolio(
        &self,
        request: Request<wire::ArchivePortfolioRequest>,
    ) -> Result<Response<wire::ArchivePortfolioResponse>, Status> {
        let body = request.get_ref();
        let asked = Asked {
            method: ARCHIVE,
            request_id: &body.request_id,
            portfolio_id: Some(&body.portfolio_id),
            change: Change::Archive,
        };
        let reply = |portfolio| wire::ArchivePortfolioResponse {
            portfolio: Some(portfolio),
        };
        self.change(&request, asked, reply).await
    }

    async fn reactivate_portfolio(
        &self,
        request: Request<wire::ReactivatePortfolioRequest>,
    ) -> Result<Response<wire::ReactivatePortfolioResponse>, Status> {
        let body = request.get_ref();
        let asked = Asked {
            method: REACTIVATE,
            request_id: &body.request_id,
            portfolio_id: Some(&body.portfolio_id),
            change: Change::Reactivate,
        };
        let reply = |portfolio| wire::ReactivatePortfolioResponse {
            portfolio: Some(portfolio),
        };
        self.change(&request, asked, reply).await
    }

    async fn check_portfolio(
        &self,
        request: Request<wire::CheckPortfolioRequest>,
    ) -> Result<Response<wire::CheckPortfolioResponse>, Status> {
        let asked = request.get_ref();
        let read = views::portfolios(self.store(), &asked.user_id).await;
        let portfolios = read.map_err(store_failure)?.0;
        let open = portfolios.is_open(parsed(&asked.portfolio_id)?);
        Ok(Response::new(wire::CheckPortfolioResponse { open }))
    }

    type StreamPositionsStream = Messages;

    async fn stream_positions(
        &self,
        request: Request<wire::StreamPositionsRequest>,
    ) -> Result<Response<Messages>, Status> {
        let user_id = user(&request)?.id.clone();
        let asked = request.get_ref();
        let wanted = Wanted {
            portfolio_id: self.portfolio_of(&user_id, &asked.portfolio_id).await?,
            user_id,
            after_mark: asked.after_mark,
        };
        Ok(Response::new(self.streams.open(self.ctx.clone(), wanted)?))
    }
}

fn parsed(portfolio_id: &str) -> Result<Uuid, Status> {
    let invalid = |_| refusal::invalid("portfolio_id", "is no id");
    Uuid::parse_str(portfolio_id).map_err(invalid)
}
