//! The gRPC methods: parse, ask the venue or the read models, reply.

mod days;
mod desks;
mod requests;

use std::sync::Arc;

use outcry_contracts::options::v1::Role;
use outcry_contracts::trades::v1::trade_service_server::TradeService;
use outcry_contracts::trades::v1::{
    CancelTradeRequest, CancelTradeResponse, GetBookRequest, GetBookResponse, GetCalendarRequest,
    GetCalendarResponse, GetTradeRequest, GetTradeResponse, HaltSymbolRequest, HaltSymbolResponse,
    Instrument, ListExecutionsRequest, ListExecutionsResponse, ListInstrumentsRequest,
    ListInstrumentsResponse, ListTradesRequest, ListTradesResponse, ReplaceTradeRequest,
    ReplaceTradeResponse, ResumeSymbolRequest, ResumeSymbolResponse, SessionState,
    SetSessionRequest, SetSessionResponse, StreamBookRequest, StreamBookResponse,
    StreamTapeRequest, StreamTapeResponse, SubmitOrderRequest, SubmitOrderResponse,
    Trade as ShownTrade, TradeStatus,
};
use outcry_events::Amount;
use outcry_mesh::{cause, identity, refusal, subject};
use outcry_service::{Context, Page, store_failure};
use tonic::codegen::BoxStream;
use tonic::{Code, Request, Response, Status};

use crate::streams::{BookFeed, Streams, TapeFeed};
use crate::trade::{Trade, amount, trade_id};
use crate::venue::Venue;
use crate::views;

pub(crate) use desks::Desks;

use requests::uuid;

/// Matches of a listing when the caller does not say, and at most.
const MATCHES: usize = 100;
const MATCHES_MAX: usize = 1_000;

/// The trade service.
pub(crate) struct Api {
    pub(crate) ctx: Context,
    pub(crate) venue: Venue,
    pub(crate) streams: Streams,
}

#[tonic::async_trait]
impl TradeService for Api {
    async fn submit_order(
        &self,
        request: Request<SubmitOrderRequest>,
    ) -> Result<Response<SubmitOrderResponse>, Status> {
        let cause = cause(&request);
        let submission = requests::submission(request.into_inner())?;
        let trade = self.venue.submit(submission, cause).await?;
        let trade = Some(self.shown(&trade).await?);
        Ok(Response::new(SubmitOrderResponse { trade }))
    }

    async fn cancel_trade(
        &self,
        request: Request<CancelTradeRequest>,
    ) -> Result<Response<CancelTradeResponse>, Status> {
        let cause = cause(&request);
        let body = request.into_inner();
        let cancel = requests::cancel(&body)?;
        let trade = self.venue.cancel(&body.symbol, cancel, cause).await?;
        Ok(Response::new(match trade {
            None => CancelTradeResponse::default(),
            Some(trade) => CancelTradeResponse {
                cancelled: trade.status() == TradeStatus::Cancelled,
                trade: Some(self.shown(&trade).await?),
            },
        }))
    }

    async fn replace_trade(
        &self,
        request: Request<ReplaceTradeRequest>,
    ) -> Result<Response<ReplaceTradeResponse>, Status> {
        let cause = cause(&request);
        let body = request.into_inner();
        let asked = requests::replace(&body)?;
        let trade = self.venue.replace(&body.symbol, asked, cause).await?;
        Ok(Response::new(ReplaceTradeResponse {
            replaced: trade.asked_revision() >= body.revision,
            kept_priority: trade.asked_revision() == body.revision && trade.kept_priority,
            trade: Some(self.shown(&trade).await?),
        }))
    }

    async fn get_trade(
        &self,
        request: Request<GetTradeRequest>,
    ) -> Result<Response<GetTradeResponse>, Status> {
        let body = request.get_ref();
        let id = match (body.trade_id.as_str(), body.order_id.as_str()) {
            ("", "") => {
                return Err(refusal::invalid(
                    "trade_id",
                    "give a trade id or an order id",
                ));
            }
            ("", order_id) => trade_id(uuid("order_id", order_id)?),
            (id, _) => uuid("trade_id", id)?,
        };
        let trade = views::trade(self.ctx.store.as_ref(), id)
            .await
            .map_err(store_failure)?;
        // Whether somebody else's trade exists is nobody's business.
        let trade = trade
            .filter(|trade| may_see(&request, trade))
            .ok_or_else(|| {
                refusal::with_reason(Code::NotFound, "NO_SUCH_TRADE", "you have no such trade")
            })?;
        let trade = Some(self.shown(&trade).await?);
        Ok(Response::new(GetTradeResponse { trade }))
    }

    async fn list_trades(
        &self,
        request: Request<ListTradesRequest>,
    ) -> Result<Response<ListTradesResponse>, Status> {
        let body = request.get_ref();
        let user_id = subject(&request, &body.user_id)?;
        let page = Page::of(body.page.clone());
        let store = self.ctx.store.as_ref();
        let (found, page) = views::trades_of(store, &user_id, body.open_only, page)
            .await
            .map_err(store_failure)?;
        let mut trades = Vec::with_capacity(found.len());
        for trade in &found {
            trades.push(self.shown(trade).await?);
        }
        let page = Some(page);
        Ok(Response::new(ListTradesResponse { trades, page }))
    }

    async fn get_book(
        &self,
        request: Request<GetBookRequest>,
    ) -> Result<Response<GetBookResponse>, Status> {
        let cause = cause(&request);
        let body = request.into_inner();
        let book = self.venue.book(&body.symbol, body.depth, cause).await?;
        Ok(Response::new(book))
    }

    async fn list_executions(
        &self,
        request: Request<ListExecutionsRequest>,
    ) -> Result<Response<ListExecutionsResponse>, Status> {
        let with_orders = sees_orders(&request);
        let body = request.get_ref();
        self.venue.check_symbol(&body.symbol).await?;
        let size = bounded(body.size, MATCHES, MATCHES_MAX);
        let (store, symbol) = (self.ctx.store.as_ref(), &body.symbol);
        let tape = match body.latest {
            true => views::tape_latest(store, symbol, body.after_venue_sequence, size).await,
            false => views::tape_after(store, symbol, body.after_venue_sequence, size).await,
        };
        let tape = tape.map_err(store_failure)?;
        let executions = tape.iter().map(|row| row.shown(with_orders)).collect();
        Ok(Response::new(ListExecutionsResponse { executions }))
    }

    async fn list_instruments(
        &self,
        _request: Request<ListInstrumentsRequest>,
    ) -> Result<Response<ListInstrumentsResponse>, Status> {
        let traded = self.venue.instruments().await?;
        let instruments = traded.into_iter().map(|(instrument, row)| {
            let last = row.last_price.map(amount);
            let reference = last.or(instrument.listing_price);
            Instrument {
                symbol: instrument.symbol.clone(),
                name: instrument.name.clone(),
                tick: Some(instrument.tick.to_money()),
                lot: instrument.lot,
                halted: row.state() == SessionState::Halted,
                session: row.state().into(),
                band_bps: instrument.band_bps.unwrap_or_default(),
                reference_price: reference.map(Amount::to_money),
                max_order_value: Some(instrument.max_order_value.to_money()),
                max_order_quantity: instrument.max_order_quantity,
            }
        });
        Ok(Response::new(ListInstrumentsResponse {
            instruments: instruments.collect(),
        }))
    }

    async fn halt_symbol(
        &self,
        request: Request<HaltSymbolRequest>,
    ) -> Result<Response<HaltSymbolResponse>, Status> {
        let cause = cause(&request);
        let body = request.into_inner();
        tracing::warn!(
            symbol = body.symbol,
            by = cause.actor,
            reason = body.reason,
            "halting"
        );
        let halt = requests::halt(body.reason);
        self.venue.set_session(&body.symbol, halt, cause).await?;
        Ok(Response::new(HaltSymbolResponse {}))
    }

    async fn resume_symbol(
        &self,
        request: Request<ResumeSymbolRequest>,
    ) -> Result<Response<ResumeSymbolResponse>, Status> {
        let cause = cause(&request);
        let body = request.into_inner();
        tracing::warn!(symbol = body.symbol, by = cause.actor, "resuming");
        self.venue.resume(&body.symbol, cause).await?;
        Ok(Response::new(ResumeSymbolResponse {}))
    }

    type StreamBookStream = BoxStream<StreamBookResponse>;
    type StreamTapeStream = BoxStream<StreamTapeResponse>;

    async fn set_session(
        &self,
        request: Request<SetSessionRequest>,
    ) -> Result<Response<SetSessionResponse>, Status> {
        let cause = cause(&request);
        let body = request.into_inner();
        let asked = requests::session(&body)?;
        tracing::warn!(
            symbol = body.symbol,
            by = cause.actor,
            session = ?asked.session,
            reason = body.reason,
            "setting the session"
        );
        let state = self.venue.set_session(&body.symbol, asked, cause).await?;
        let state = state.into();
        Ok(Response::new(SetSessionResponse { state }))
    }

    async fn get_calendar(
        &self,
        request: Request<GetCalendarRequest>,
    ) -> Result<Response<GetCalendarResponse>, Status> {
        let now = self.ctx.clock.now();
        let days = days::shown(&self.venue.schedule(), now, request.get_ref())?;
        Ok(Response::new(days))
    }

    async fn stream_book(
        &self,
        request: Request<StreamBookRequest>,
    ) -> Result<Response<Self::StreamBookStream>, Status> {
        let cause = cause(&request);
        let body = request.into_inner();
        self.venue.check_symbol(&body.symbol).await?;
        let feed = BookFeed {
            store: Arc::clone(&self.ctx.store),
            venue: self.venue.clone(),
            symbol: body.symbol,
            depth: body.depth,
            after: body.after_venue_sequence,
            cause,
        };
        let stream = self.streams.open(|listener| feed.run(listener))?;
        Ok(Response::new(stream))
    }

    async fn stream_tape(
        &self,
        request: Request<StreamTapeRequest>,
    ) -> Result<Response<Self::StreamTapeStream>, Status> {
        let with_orders = sees_orders(&request);
        let body = request.into_inner();
        self.venue.check_symbol(&body.symbol).await?;
        let feed = TapeFeed {
            store: Arc::clone(&self.ctx.store),
            venue: self.venue.clone(),
            symbol: body.symbol,
            after: body.after_venue_sequence,
            with_orders,
        };
        let stream = self.streams.open(|listener| feed.run(listener))?;
        Ok(Response::new(stream))
    }
}

impl Api {
    async fn shown(&self, trade: &Trade) -> Result<ShownTrade, Status> {
        views::shown(self.ctx.store.as_ref(), trade)
            .await
            .map_err(store_failure)
    }
}

/// Whose orders met is for administrators only.
fn sees_orders<T>(request: &Request<T>) -> bool {
    let user = identity(request).user.as_ref();
    user.is_some_and(|user| user.has(Role::Admin))
}

/// Customers see their own trades, operators and services all.
fn may_see<T>(request: &Request<T>, trade: &Trade) -> bool {
    match &identity(request).user {
        Some(user) => user.is_operator() || user.id == trade.user_id.to_string(),
        None => true,
    }
}

/// The asked number within its bounds; 0 is the usual.
fn bounded(asked: i32, usual: usize, max: usize) -> usize {
    match usize::try_from(asked) {
        Ok(0) | Err(_) => usual,
        Ok(asked) => asked.min(max),
    }
}
