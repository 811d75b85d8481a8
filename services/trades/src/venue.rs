//! All desks of the venue, and what callers may ask of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use outcry_contracts::orders::v1::{CancelReason, OrderTerms};
use outcry_contracts::trades::v1::{FailureReason, TradeCreatedEvent};
use outcry_contracts::types::v1::Money;
use outcry_events::Cause;
use outcry_mesh::refusal::Refusal;
use outcry_service::Context;
use outcry_store::{CommitError, StoreError};
use tonic::Code;
use uuid::Uuid;

use crate::StartError;
use crate::book::{self, FeeSchedule, Rules};
use crate::config::{Config, Instrument};
use crate::desk::{
    self, Answer, Ask, Batch, DeskHandle, Market, NoEffect, Pen, Replace, STEP_MAX, Snapshot,
    Unwritable, Writer,
};
use crate::trade::{Trade, TradeEvent, trade_id};
use crate::views;

/// The rules of a symbol that takes no orders any more.
const UNLISTED: Rules = Rules {
    tick: 1,
    lot: 1,
    band_bps: None,
    max_order_value: 0,
    fees: FeeSchedule {
        maker_bps: 0,
        taker_bps: 0,
    },
    step: STEP_MAX,
};

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
    instruments: Vec<Instrument>,
    desks: BTreeMap<String, DeskHandle>,
}

/// Opens the desks of all configured symbols, and of those with orders that are configured no
/// more: these can only leave. The writers must then be run.
pub(crate) async fn open(
    ctx: &Context,
    config: &Config,
) -> Result<(Venue, Vec<Writer>), StartError> {
    let known = views::symbols(ctx.store.as_ref()).await?;
    let mut desks = BTreeMap::new();
    let mut writers = Vec::new();
    for market in markets(config, &known) {
        let (symbol, listed) = (market.symbol.clone(), market.listed);
        let (handle, writer) = desk::open(ctx, market).await?;
        if listed || !writer.is_idle() {
            desks.insert(symbol, handle);
            writers.push(writer);
        }
    }
    let inner = Arc::new(Inner {
        ctx: ctx.clone(),
        instruments: config.instruments.clone(),
        desks,
    });
    Ok((Venue { inner }, writers))
}

fn markets(config: &Config, known: &[String]) -> Vec<Market> {
    let listed = config.instruments.iter().map(|instrument| Market {
        symbol: instrument.symbol.clone(),
        rules: instrument.rules(config.fees),
        session: config.session_end,
        listed: true,
    });
    let is_listed = |symbol: &str| config.instruments.iter().any(|one| one.symbol == symbol);
    let delisted = known
        .iter()
        .filter(|symbol| !is_listed(symbol))
        .map(|symbol| Market {
            symbol: symbol.clone(),
            rules: UNLISTED,
            session: config.session_end,
            listed: false,
        });
    listed.chain(delisted).collect()
}

// === impl Venue ===

impl Venue {
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
        let trade = match self.inner.desks.get(&created.symbol) {
            Some(desk) => answered(desk.ask(Ask::Submit(Box::new(created)), cause).await)?,
            None => self.refuse_unknown(order_id, &created, &cause).await?,
        };
        trade.ok_or(VenueError::Broken)
    }

    /// Takes an order out. Without a trade in the answer, the order had not come and never will.
    pub(crate) async fn cancel(
        &self,
        symbol: &str,
        order_id: Uuid,
        user_id: Uuid,
        reason: CancelReason,
        cause: Cause,
    ) -> Result<Option<Trade>, VenueError> {
        let Some(desk) = self.inner.desks.get(symbol) else {
            // An order of a symbol without a desk is refused whenever it comes.
            let trade = views::trade_of(self.store(), order_id).await?;
            return Ok(trade.filter(|trade| trade.user_id == user_id));
        };
        let ask = Ask::Cancel {
            order_id,
            user_id,
            reason,
        };
        answered(desk.ask(ask, cause).await)
    }

    /// Gives an order new terms.
    pub(crate) async fn replace(
        &self,
        symbol: &str,
        asked: Replace,
        cause: Cause,
    ) -> Result<Trade, VenueError> {
        let desk = self.desk(symbol)?;
        let trade = answered(desk.ask(Ask::Replace(asked), cause).await)?;
        trade.ok_or(VenueError::Broken)
    }

    /// Stops trading in a symbol.
    pub(crate) async fn halt(
        &self,
        symbol: &str,
        reason: String,
        cause: Cause,
    ) -> Result<(), VenueError> {
        let desk = self.desk(symbol)?;
        answered(desk.ask(Ask::Halt { reason }, cause).await).map(|_| ())
    }

    /// Lets trading in a symbol go on.
    pub(crate) async fn resume(&self, symbol: &str, cause: Cause) -> Result<(), VenueError> {
        let desk = self.desk(symbol)?;
        answered(desk.ask(Ask::Resume, cause).await).map(|_| ())
    }

    /// Has the desk of a symbol do what is due.
    pub(crate) async fn wake(&self, symbol: &str, cause: Cause) -> Result<(), VenueError> {
        let desk = self.desk(symbol)?;
        answered(desk.ask(Ask::Wake, cause).await).map(|_| ())
    }

    /// The book of a symbol after the last commit.
    pub(crate) fn snapshot(&self, symbol: &str) -> Result<Arc<Snapshot>, VenueError> {
        Ok(self.desk(symbol)?.snapshot())
    }

    /// What can be traded, and whether it is halted.
    pub(crate) fn instruments(&self) -> impl Iterator<Item = (&Instrument, bool)> {
        self.inner.instruments.iter().map(|instrument| {
            let halted = self
                .snapshot(&instrument.symbol)
                .is_ok_and(|snapshot| snapshot.halted);
            (instrument, halted)
        })
    }

    fn store(&self) -> &dyn outcry_store::Store {
        self.inner.ctx.store.as_ref()
    }

    fn desk(&self, symbol: &str) -> Result<&DeskHandle, VenueError> {
        let desk = self.inner.desks.get(symbol);
        desk.ok_or_else(|| VenueError::UnknownSymbol(symbol.to_owned()))
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
}

fn answered(answer: Answer) -> Result<Option<Trade>, VenueError> {
    match answer {
        Answer::Trade(trade) => Ok(trade.map(|trade| *trade)),
        Answer::NoEffect(no_effect) => Err(no_effect.into()),
        Answer::Unavailable => Err(VenueError::Unavailable),
        Answer::Broken => Err(VenueError::Broken),
    }
}

// === impl VenueError ===

impl From<Unwritable> for VenueError {
    fn from(unwritable: Unwritable) -> VenueError {
        tracing::error!(error = %unwritable, "request given up");
        VenueError::Broken
    }
}

impl Refusal for VenueError {
    fn code(&self) -> Code {
        match self {
            VenueError::UnknownSymbol(_) | VenueError::NoEffect(NoEffect::NoSuchOrder) => {
                Code::NotFound
            }
            VenueError::NoEffect(NoEffect::Terms(_)) => Code::FailedPrecondition,
            VenueError::Store(_) | VenueError::Unavailable => Code::Unavailable,
            VenueError::Broken => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            VenueError::UnknownSymbol(_) => "UNKNOWN_SYMBOL",
            VenueError::NoEffect(NoEffect::NoSuchOrder) => "NO_SUCH_ORDER",
            VenueError::NoEffect(NoEffect::Terms(refusal)) => terms_reason(*refusal),
            VenueError::Store(_) => "STORE_UNAVAILABLE",
            VenueError::Unavailable => "VENUE_UNAVAILABLE",
            VenueError::Broken => "INTERNAL",
        }
    }
}

fn terms_reason(refusal: book::Refusal) -> &'static str {
    match refusal {
        book::Refusal::Halted => "SYMBOL_HALTED",
        book::Refusal::PriceOffTick => "BAD_TICK",
        book::Refusal::PriceOutsideBand => "PRICE_BAND",
        book::Refusal::QuantityOffLot => "BAD_LOT",
        book::Refusal::ValueTooLarge => "VALUE_LIMIT",
        book::Refusal::PostOnlyCannotRest | book::Refusal::PostOnlyWouldTake => "WOULD_TAKE",
        book::Refusal::AlreadyExpired => "EXPIRED",
        book::Refusal::NoLiquidity => "NO_LIQUIDITY",
    }
}
