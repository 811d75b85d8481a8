//! What the venue answers when it is called.

use outcry_contracts::trades::v1::trade_service_server::TradeService;
use outcry_contracts::trades::v1::*;
use outcry_events::Amount;
use outcry_mesh::{cause, refusal};
use tonic::{Code, Request, Response, Status};

use super::super::custody::Manner;
use super::{Venue, instrument};

type Answer<T> = Result<Response<T>, Status>;

fn unasked<T>() -> Answer<T> {
    Err(Status::unimplemented("orders does not ask this"))
}

fn broken() -> Status {
    Status::unavailable("the connection broke")
}

#[tonic::async_trait]
impl TradeService for Venue {
    async fn submit_order(
        &self,
        request: Request<SubmitOrderRequest>,
    ) -> Answer<SubmitOrderResponse> {
        let cause = cause(&request);
        let asked = request.into_inner();
        self.0.lock().unwrap().submitted.push(asked.clone());
        let known = self.trade(&asked.order_id).is_some();
        match self.manner("submit") {
            Manner::Well => self.take_in(&asked, cause),
            Manner::Refuse(_) | Manner::Silent => return Err(broken()),
            Manner::AnswerLost => {
                self.take_in(&asked, cause);
                return Err(broken());
            }
        }
        let trade = self.trade(&asked.order_id).unwrap();
        let tells = self.0.lock().unwrap().tells_placed;
        if trade.status() == TradeStatus::Failed && !known {
            self.fail(&asked.order_id, trade.failure_reason()).await;
        } else if tells && !known {
            self.publish_placed(&asked.order_id).await;
        }
        let trade = Some(trade);
        Ok(Response::new(SubmitOrderResponse { trade }))
    }

    async fn cancel_trade(
        &self,
        request: Request<CancelTradeRequest>,
    ) -> Answer<CancelTradeResponse> {
        let asked = request.into_inner();
        let (order_id, reason) = (&asked.order_id, asked.reason());
        let manner = self.manner("cancel");
        if let Manner::Silent | Manner::Refuse(_) = manner {
            return Err(broken());
        }
        match self.trade(order_id) {
            None => self.0.lock().unwrap().barred.push(order_id.clone()),
            Some(trade) if trade.leaves_quantity > 0 => self.take_off(order_id, reason).await,
            Some(_) => {}
        }
        if let Manner::AnswerLost = manner {
            return Err(broken());
        }
        let trade = self.trade(order_id);
        let cancelled = trade
            .as_ref()
            .is_some_and(|one| one.status() == TradeStatus::Cancelled);
        Ok(Response::new(CancelTradeResponse { trade, cancelled }))
    }

    async fn replace_trade(
        &self,
        request: Request<ReplaceTradeRequest>,
    ) -> Answer<ReplaceTradeResponse> {
        let asked = request.into_inner();
        self.0.lock().unwrap().replaced.push(asked.clone());
        match self.manner("replace") {
            Manner::Well => self.change(&asked),
            Manner::Silent => return Err(broken()),
            Manner::Refuse(reason) => {
                let message = "the venue does not accept these terms";
                return Err(refusal::with_reason(
                    Code::FailedPrecondition,
                    reason,
                    message,
                ));
            }
            Manner::AnswerLost => {
                self.change(&asked);
                return Err(broken());
            }
        }
        let trade = self.trade(&asked.order_id);
        let replaced = trade
            .as_ref()
            .is_some_and(|one| one.revision >= asked.revision);
        Ok(Response::new(ReplaceTradeResponse {
            trade,
            replaced,
            kept_priority: false,
        }))
    }

    async fn get_book(&self, request: Request<GetBookRequest>) -> Answer<GetBookResponse> {
        if let Manner::Silent = self.manner("book") {
            return Err(broken());
        }
        let floor = self.0.lock().unwrap();
        let level = |price: Option<Amount>| {
            let price = price.map(|price| BookLevel {
                price: Some(price.to_money()),
                quantity: 1,
                orders: 1,
            });
            price.into_iter().collect()
        };
        Ok(Response::new(GetBookResponse {
            symbol: request.into_inner().symbol,
            bids: level(floor.bid),
            asks: level(floor.ask),
            session: floor.session.into(),
            ..GetBookResponse::default()
        }))
    }

    async fn get_trade(&self, _: Request<GetTradeRequest>) -> Answer<GetTradeResponse> {
        unasked()
    }

    async fn list_trades(&self, _: Request<ListTradesRequest>) -> Answer<ListTradesResponse> {
        unasked()
    }

    async fn list_executions(
        &self,
        _: Request<ListExecutionsRequest>,
    ) -> Answer<ListExecutionsResponse> {
        unasked()
    }

    async fn list_instruments(
        &self,
        _: Request<ListInstrumentsRequest>,
    ) -> Answer<ListInstrumentsResponse> {
        if let Manner::Silent = self.manner("instruments") {
            return Err(broken());
        }
        let mut floor = self.0.lock().unwrap();
        floor.rules_asked += 1;
        let rules = |symbol: &str| {
            let changed = floor.rules.get(symbol).cloned();
            changed.unwrap_or_else(|| instrument(symbol))
        };
        Ok(Response::new(ListInstrumentsResponse {
            instruments: vec![rules("ACME"), rules("BETA")],
        }))
    }

    async fn halt_symbol(&self, _: Request<HaltSymbolRequest>) -> Answer<HaltSymbolResponse> {
        unasked()
    }

    async fn resume_symbol(&self, _: Request<ResumeSymbolRequest>) -> Answer<ResumeSymbolResponse> {
        unasked()
    }

    type StreamBookStream =
        tonic::codegen::BoxStream<outcry_contracts::trades::v1::StreamBookResponse>;
    type StreamTapeStream =
        tonic::codegen::BoxStream<outcry_contracts::trades::v1::StreamTapeResponse>;

    async fn set_session(
        &self,
        _: Request<SetSessionRequest>,
    ) -> Result<Response<SetSessionResponse>, Status> {
        unasked()
    }

    async fn get_calendar(
        &self,
        _: Request<GetCalendarRequest>,
    ) -> Result<Response<GetCalendarResponse>, Status> {
        unasked()
    }

    async fn stream_book(
        &self,
        _: Request<StreamBookRequest>,
    ) -> Result<Response<Self::StreamBookStream>, Status> {
        unasked()
    }

    async fn stream_tape(
        &self,
        _: Request<StreamTapeRequest>,
    ) -> Result<Response<Self::StreamTapeStream>, Status> {
        unasked()
    }
}
