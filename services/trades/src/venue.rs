//! The venue: what callers, events and time may ask of its desks.

use std::sync::Arc;

use outcry_contracts::orders::v1::OrderTerms;
use outcry_contracts::trades::v1::{
    FailureReason, GetBookResponse, SessionState, TradeCreatedEvent,
};
use outcry_contracts::types::v1::Money;
use outcry_events::Cause;
use outcry_mesh::refusal::{self, Refusal};
use outcry_service::Context;
use outcry_store::{CommitError, StoreError};
use tokio::sync::watch;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::book;
use crate::calendar::Schedule;
use crate::config::{Config, Instrument};
use crate::desk::{self, Ask, Batch, Cancel, NoEffect, Pen, Replace, SetSession, Unwritable};
use crate::floor::Floor;
use crate::routing::{Errand, Reply, Routing};
use crate::trade::{Trade, TradeEvent, trade_id};
use crate::views::{self, SymbolRow};

/// When a symbol that moves is worth asking for again: after a replica is gone, its symbols come up
/// elsewhere within a few of these.
const MOVED_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

/// An order on its way to the venue.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    pub(crate) order_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) terms: OrderTerms,
    pub(crate) protection_price: Option<Money>,
}

/// Why the venue did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VenueError {
    /// No such symbol.
    #[error("the venue does not trade {0}")]
    UnknownSymbol(String),
    /// The request has no effect.
    #[error(transparent)]
    NoEffect(#[from] NoEffect),
    /// The store does not answer.
    #[error("the venue cannot reach its store; try again")]
    Store(#[from] StoreError),
    /// The desk cannot write, or is going off.
    #[error("the venue cannot write at the moment; try again")]
    Unavailable,
    /// No replica of the venue has the symbol, or the one that should does not answer.
    #[error("{0} is moving between replicas of the venue; try again")]
    Moving(String),
    /// The symbol's book cannot be loaded.
    #[error("the book of {0} cannot be loaded; the venue's log says why")]
    BookBroken(String),
    /// What the replica said that has the symbol.
    #[error("{}", .0.message())]
    Passed(Box<Status>),
    /// What would happen cannot be written down.
    #[error("the venue failed")]
    Broken,
}

/// The venue. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Venue {
    inner: Arc<Inner>,
}

struct Inner {
    ctx: Context,
    config: Arc<Config>,
    floor: Arc<Floor>,
    routing: Routing,
}

// === impl Venue ===

impl Venue {
    /// The venue, of which the desks on `floor` are here.
    pub(crate) fn new(ctx: Context, config: Arc<Config>, floor: Arc<Floor>) -> Venue {
        let routing = Routing::new(ctx.clone(), Arc::clone(&config), Arc::clone(&floor));
        let inner = Arc::new(Inner {
            ctx,
            config,
            floor,
            routing,
        });
        Venue { inner }
    }

    /// Takes an order in. An order that came before is not taken again: its trade is the answer.
    pub(crate) async fn submit(
        &self,
        submission: Submission,
        cause: Cause,
    ) -> Result<Trade, VenueError> {
        let order_id = submission.order_id;
        if let Some(trade) = views::trade_of(self.store(), order_id).await? {
            return Ok(trade);
        }
        let created = submission.into_event();
        let symbol = created.symbol.clone();
        let errand = Errand::Carry(Ask::Submit(Box::new(created)));
        let trade = match self.inner.routing.send(&symbol, &errand, &cause).await {
            Err(VenueError::UnknownSymbol(_)) => match errand {
                Errand::Carry(Ask::Submit(created)) => {
                    self.refuse_unknown(order_id, &created, &cause).await?
                }
                _ => None,
            },
            answer => traded(answer?),
        };
        trade.ok_or(VenueError::Broken)
    }

    /// Takes an order out. Without a trade in the answer, the order had not come and never will.
    pub(crate) async fn cancel(
        &self,
        symbol: &str,
        asked: Cancel,
        cause: Cause,
    ) -> Result<Option<Trade>, VenueError> {
        match self.carry(symbol, Ask::Cancel(asked), cause).await {
            // An order of a symbol without a desk is refused whenever it comes.
            Err(VenueError::UnknownSymbol(_)) => {
                let trade = views::trade_of(self.store(), asked.order_id).await?;
                Ok(trade.filter(|trade| trade.user_id == asked.user_id))
            }
            answer => answer,
        }
    }

    /// Gives an order new terms.
    pub(crate) async fn replace(
        &self,
        symbol: &str,
        asked: Replace,
        cause: Cause,
    ) -> Result<Trade, VenueError> {
        let trade = self.carry(symbol, Ask::Replace(asked), cause).await?;
        trade.ok_or(VenueError::Broken)
    }

    /// Changes what the market of a symbol allows; what it allows then.
    pub(crate) async fn set_session(
        &self,
        symbol: &str,
        asked: SetSession,
        cause: Cause,
    ) -> Result<SessionState, VenueError> {
        self.carry(symbol, Ask::SetSession(asked), cause).await?;
        let (row, _) = views::symbol(self.store(), symbol).await?;
        Ok(row.state())
    }

    /// Gives the market of a symbol back to its hours.
    pub(crate) async fn resume(&self, symbol: &str, cause: Cause) -> Result<(), VenueError> {
        self.carry(symbol, Ask::Resume, cause).await?;
        Ok(())
    }

    /// Has the desk of a symbol do what is due.
    pub(crate) async fn wake(&self, symbol: &str, cause: Cause) -> Result<(), VenueError> {
        self.carry(symbol, Ask::Wake, cause).await?;
        Ok(())
    }

    /// The book of a symbol after the last commit, with so many levels a side.
    pub(crate) async fn book(
        &self,
        symbol: &str,
        depth: i32,
        cause: Cause,
    ) -> Result<GetBookResponse, VenueError> {
        let show = Errand::Show { depth };
        match self.inner.routing.send(symbol, &show, &cause).await? {
            Reply::Book(book) => Ok(book),
            Reply::Trade(_) => Err(VenueError::Broken),
        }
    }

    /// Has an errand that another replica passes on seen to here.
    pub(crate) async fn receive(
        &self,
        symbol: &str,
        errand: &Errand,
        cause: &Cause,
    ) -> Result<Reply, VenueError> {
        self.inner.routing.receive(symbol, errand, cause).await
    }

    /// What can be traded, and how it stands.
    pub(crate) async fn instruments(&self) -> Result<Vec<(&Instrument, SymbolRow)>, VenueError> {
        let mut instruments = Vec::new();
        for instrument in &self.inner.config.instruments {
            let (row, _) = views::symbol(self.store(), &instrument.symbol).await?;
            instruments.push((instrument, row));
        }
        Ok(instruments)
    }

    /// When the venue trades.
    pub(crate) fn schedule(&self) -> Schedule {
        self.inner.config.schedule()
    }

    /// Tells when some book here has changed.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.inner.floor.news()
    }

    /// Fails unless the venue trades a symbol, or has traded it.
    pub(crate) async fn check_symbol(&self, symbol: &str) -> Result<(), VenueError> {
        self.inner.routing.check_symbol(symbol).await
    }

    async fn carry(
        &self,
        symbol: &str,
        ask: Ask,
        cause: Cause,
    ) -> Result<Option<Trade>, VenueError> {
        let errand = Errand::Carry(ask);
        Ok(traded(
            self.inner.routing.send(symbol, &errand, &cause).await?,
        ))
    }

    fn store(&self) -> &dyn outcry_store::Store {
        self.inner.ctx.store.as_ref()
    }

    /// Refuses an order of a symbol without a desk. Whoever is first writes it down; a repetition
    /// finds the trade.
    async fn refuse_unknown(
        &self,
        order_id: Uuid,
        created: &TradeCreatedEvent,
        cause: &Cause,
    ) -> Result<Option<Trade>, VenueError> {
        let ctx = &self.inner.ctx;
        let mut batch = Batch::default();
        let mut pen = Pen {
            at: ctx.clock.now(),
            clock: ctx.clock.as_ref(),
            batch: &mut batch,
            lead: None,
        };
        let mut trade = pen.begin(created, cause)?;
        let message = format!("the venue does not trade {}", created.symbol);
        let failed = desk::failed(&trade, FailureReason::UnknownSymbol, &message);
        pen.write(&mut trade, &TradeEvent::Failed(failed))?;
        batch.finish(trade.clone());
        let commit = batch.take_commit(&std::collections::HashMap::new())?;
        match ctx.store.commit(commit).await {
            Ok(()) => Ok(Some(trade)),
            Err(CommitError::Conflict { .. }) => Ok(views::trade_of(self.store(), order_id).await?),
            Err(CommitError::Store(error)) => Err(error.into()),
            Err(error) => {
                tracing::error!(%order_id, %error, "refusing an order failed");
                Err(VenueError::Broken)
            }
        }
    }
}

impl Submission {
    /// The event that records the order.
    fn into_event(self) -> TradeCreatedEvent {
        TradeCreatedEvent {
            trade_id: trade_id(self.order_id).to_string(),
            order_id: self.order_id.to_string(),
            user_id: self.user_id.to_string(),
            symbol: self.terms.symbol.clone(),
            terms: Some(self.terms),
            protection_price: self.protection_price,
        }
    }

    /// The order as a desk takes it in.
    pub(crate) fn into_ask(self) -> Ask {
        Ask::Submit(Box::new(self.into_event()))
    }
}

/// The trade of a reply that has one.
fn traded(reply: Reply) -> Option<Trade> {
    match reply {
        Reply::Trade(trade) => trade.map(|trade| *trade),
        Reply::Book(_) => None,
    }
}

// === impl VenueError ===

impl From<Unwritable> for VenueError {
    fn from(unwritable: Unwritable) -> VenueError {
        tracing::error!(error = %unwritable, "request given up");
        VenueError::Broken
    }
}

impl From<VenueError> for Status {
    fn from(error: VenueError) -> Status {
        match error {
            VenueError::Passed(status) => return *status,
            VenueError::Moving(_) => {
                let (reason, message) = (error.reason(), error.to_string());
                return refusal::retry_after(Code::Unavailable, reason, message, MOVED_AFTER);
            }
            VenueError::Store(ref source) => {
                let source = source as &dyn std::error::Error;
                tracing::error!(error = source, "store unavailable");
            }
            _ => {}
        }
        refusal::status(&error)
    }
}

impl Refusal for VenueError {
    fn code(&self) -> Code {
        match self {
            VenueError::UnknownSymbol(_) | VenueError::NoEffect(NoEffect::NoSuchOrder) => {
                Code::NotFound
            }
            VenueError::NoEffect(NoEffect::Terms(_) | NoEffect::RevisionTaken) => {
                Code::FailedPrecondition
            }
            VenueError::NoEffect(NoEffect::RequestReused) => Code::InvalidArgument,
            VenueError::Store(_)
            | VenueError::Unavailable
            | VenueError::Moving(_)
            | VenueError::BookBroken(_) => Code::Unavailable,
            VenueError::Passed(status) => status.code(),
            VenueError::Broken => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            VenueError::UnknownSymbol(_) => "UNKNOWN_SYMBOL",
            VenueError::NoEffect(NoEffect::NoSuchOrder) => "NO_SUCH_ORDER",
            VenueError::NoEffect(NoEffect::Terms(refusal)) => terms_reason(*refusal),
            VenueError::NoEffect(NoEffect::RevisionTaken) => "REVISION_TAKEN",
            VenueError::NoEffect(NoEffect::RequestReused) => "REQUEST_ID_REUSED",
            VenueError::Store(_) => "STORE_UNAVAILABLE",
            VenueError::Unavailable => "VENUE_UNAVAILABLE",
            VenueError::Moving(_) => "SYMBOL_MOVING",
            VenueError::BookBroken(_) => "BOOK_BROKEN",
            // Goes to the caller as it came, with a reason of its own.
            VenueError::Passed(_) => "VENUE_REFUSED",
            VenueError::Broken => "INTERNAL",
        }
    }
}

/// Whether a reason is that of a request without effect.
pub(crate) fn is_no_effect(reason: &str) -> bool {
    let terms = [
        book::Refusal::Halted,
        book::Refusal::CancelOnly,
        book::Refusal::Closed,
        book::Refusal::RestingOnly,
        book::Refusal::PriceOffTick,
        book::Refusal::PriceOutsideBand,
        book::Refusal::QuantityOffLot,
        book::Refusal::QuantityTooLarge,
        book::Refusal::ValueTooLarge,
        book::Refusal::PostOnlyCannotRest,
        book::Refusal::PostOnlyWouldTake,
        book::Refusal::AlreadyExpired,
        book::Refusal::NoLiquidity,
        book::Refusal::NotWaiting,
    ];
    let no_effects = terms.map(NoEffect::Terms).into_iter();
    no_effects
        .chain([
            NoEffect::NoSuchOrder,
            NoEffect::RevisionTaken,
            NoEffect::RequestReused,
        ])
        .any(|no_effect| VenueError::NoEffect(no_effect).reason() == reason)
}

fn terms_reason(refusal: book::Refusal) -> &'static str {
    match refusal {
        book::Refusal::Halted | book::Refusal::CancelOnly => "SYMBOL_HALTED",
        book::Refusal::Closed => "SYMBOL_CLOSED",
        book::Refusal::PriceOffTick => "BAD_TICK",
        book::Refusal::PriceOutsideBand => "PRICE_BAND",
        book::Refusal::QuantityOffLot => "BAD_LOT",
        book::Refusal::QuantityTooLarge => "QUANTITY_LIMIT",
        book::Refusal::ValueTooLarge => "VALUE_LIMIT",
        book::Refusal::PostOnlyCannotRest
        | book::Refusal::PostOnlyWouldTake
        | book::Refusal::RestingOnly => "WOULD_TAKE",
        book::Refusal::AlreadyExpired => "EXPIRED",
        book::Refusal::NoLiquidity => "NO_LIQUIDITY",
        book::Refusal::NotWaiting => "NOT_WAITING",
    }
}
