//! gRPC: positions, lots and profit.

use std::collections::BTreeMap;

use outcry_contracts::portfolio::v1 as wire;
use outcry_contracts::portfolio::v1::portfolio_service_server::PortfolioService;
use outcry_events::Amount;
use outcry_mesh::{refusal, subject, user};
use outcry_service::{Context, store_failure};
use outcry_store::timer::time_of;
use outcry_store::{Store, StoreError};
use tonic::{Code, Request, Response, Status};

use crate::domain::{Lot, Position, Price};
use crate::views::{self, PORTFOLIOS, ROWS_MAX};

/// The methods of the service.
pub(crate) struct Api {
    ctx: Context,
}

// === impl Api ===

impl Api {
    pub(crate) fn new(ctx: Context) -> Api {
        Api { ctx }
    }

    fn store(&self) -> &dyn Store {
        self.ctx.store.as_ref()
    }

    /// The positions of the user a caller means.
    async fn positions<T>(
        &self,
        request: &Request<T>,
        named: &str,
    ) -> Result<Vec<Position>, Status> {
        let user_id = subject(request, named)?;
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
        Ok(positions)
    }
}

#[tonic::async_trait]
impl PortfolioService for Api {
    async fn list_positions(
        &self,
        request: Request<wire::ListPositionsRequest>,
    ) -> Result<Response<wire::ListPositionsResponse>, Status> {
        let positions = self.positions(&request, &request.get_ref().user_id).await?;
        let prices = views::prices(self.store()).await.map_err(store_failure)?;
        let positions = positions
            .iter()
            .map(|position| position_message(position, &prices))
            .collect::<Result<_, Status>>()?;
        Ok(Response::new(wire::ListPositionsResponse { positions }))
    }

    async fn list_lots(
        &self,
        request: Request<wire::ListLotsRequest>,
    ) -> Result<Response<wire::ListLotsResponse>, Status> {
        let user_id = subject(&request, &request.get_ref().user_id)?;
        // One more than can be shown tells whether there are too many.
        let scan = views::open_lots(&user_id, &request.get_ref().symbol).limit(ROWS_MAX + 1);
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
            .map(|row| row.decode().map(|lot| lot_message(&lot)))
            .collect::<Result<_, StoreError>>()
            .map_err(store_failure)?;
        Ok(Response::new(wire::ListLotsResponse { lots }))
    }

    async fn get_profit(
        &self,
        request: Request<wire::GetProfitRequest>,
    ) -> Result<Response<wire::GetProfitResponse>, Status> {
        let positions = self.positions(&request, &request.get_ref().user_id).await?;
        let prices = views::prices(self.store()).await.map_err(store_failure)?;
        let mut unrealised = Vec::new();
        for position in &positions {
            unrealised.extend(valued(position, &prices)?.map(|valued| valued.profit));
        }
        let total = |amounts: &mut dyn Iterator<Item = Amount>| {
            Amount::checked_sum(amounts)
                .map(Amount::to_money)
                .ok_or_else(too_large)
        };
        Ok(Response::new(wire::GetProfitResponse {
            realised: Some(total(&mut positions.iter().map(|one| one.realised_profit))?),
            unrealised: Some(total(&mut unrealised.into_iter())?),
            fees: Some(total(&mut positions.iter().map(|one| one.fees))?),
        }))
    }

    type StreamPositionsStream =
        tonic::codegen::BoxStream<outcry_contracts::portfolio::v1::StreamPositionsResponse>;

    async fn create_portfolio(
        &self,
        _request: Request<outcry_contracts::portfolio::v1::CreatePortfolioRequest>,
    ) -> Result<Response<outcry_contracts::portfolio::v1::CreatePortfolioResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn get_portfolio(
        &self,
        _request: Request<outcry_contracts::portfolio::v1::GetPortfolioRequest>,
    ) -> Result<Response<outcry_contracts::portfolio::v1::GetPortfolioResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn list_portfolios(
        &self,
        _request: Request<outcry_contracts::portfolio::v1::ListPortfoliosRequest>,
    ) -> Result<Response<outcry_contracts::portfolio::v1::ListPortfoliosResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn update_portfolio(
        &self,
        _request: Request<outcry_contracts::portfolio::v1::UpdatePortfolioRequest>,
    ) -> Result<Response<outcry_contracts::portfolio::v1::UpdatePortfolioResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn set_default_portfolio(
        &self,
        _request: Request<outcry_contracts::portfolio::v1::SetDefaultPortfolioRequest>,
    ) -> Result<Response<outcry_contracts::portfolio::v1::SetDefaultPortfolioResponse>, Status>
    {
        Err(Status::unimplemented("not served yet"))
    }

    async fn archive_portfolio(
        &self,
        _request: Request<outcry_contracts::portfolio::v1::ArchivePortfolioRequest>,
    ) -> Result<Response<outcry_contracts::portfolio::v1::ArchivePortfolioResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn reactivate_portfolio(
        &self,
        _request: Request<outcry_contracts::portfolio::v1::ReactivatePortfolioRequest>,
    ) -> Result<Response<outcry_contracts::portfolio::v1::ReactivatePortfolioResponse>, Status>
    {
        Err(Status::unimplemented("not served yet"))
    }

    async fn check_portfolio(
        &self,
        _request: Request<outcry_contracts::portfolio::v1::CheckPortfolioRequest>,
    ) -> Result<Response<outcry_contracts::portfolio::v1::CheckPortfolioResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn stream_positions(
        &self,
        _request: Request<outcry_contracts::portfolio::v1::StreamPositionsRequest>,
    ) -> Result<Response<Self::StreamPositionsStream>, Status> {
        Err(Status::unimplemented("not served yet"))
    }
}

/// A position at the last price of its symbol.
struct Valued {
    price: Amount,
    value: Amount,
    profit: Amount,
}

fn valued(position: &Position, prices: &BTreeMap<String, Price>) -> Result<Option<Valued>, Status> {
    let Some(Price { price, .. }) = prices.get(&position.symbol) else {
        return Ok(None);
    };
    let value = position.market_value(*price).ok_or_else(too_large)?;
    Ok(Some(Valued {
        price: *price,
        value,
        profit: value.checked_sub(position.cost).ok_or_else(too_large)?,
    }))
}

fn position_message(
    position: &Position,
    prices: &BTreeMap<String, Price>,
) -> Result<wire::Position, Status> {
    let valued = valued(position, prices)?;
    let valued = valued.as_ref();
    Ok(wire::Position {
        symbol: position.symbol.clone(),
        quantity: position.quantity,
        cost: Some(position.cost.to_money()),
        last_price: valued.map(|valued| valued.price.to_money()),
        market_value: valued.map(|valued| valued.value.to_money()),
        unrealised_profit: valued.map(|valued| valued.profit.to_money()),
        realised_profit: Some(position.realised_profit.to_money()),
        ..Default::default()
    })
}

fn lot_message(lot: &Lot) -> wire::Lot {
    wire::Lot {
        reference: lot.reference.clone(),
        quantity: lot.quantity,
        cost: Some(lot.cost.to_money()),
        opened_at: Some(time_of(lot.opened_at_ns).into()),
        ..Default::default()
    }
}

fn too_large() -> Status {
    refusal::with_reason(
        Code::OutOfRange,
        "AMOUNT_TOO_LARGE",
        "a sum is larger than any amount can be",
    )
}
