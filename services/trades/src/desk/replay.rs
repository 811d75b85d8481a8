//! A desk from the store: the book is rebuilt from the symbol's events, in the order in which the
//! venue decided them, beginning with what its checkpoint holds.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use outcry_contracts::trades::v1::{
    Liquidity, SessionChangedEvent, TradeCancelledEvent, TradeCreatedEvent, TradeExecutedEvent,
    TradePlacedEvent, TradeStatus,
};
use outcry_events::{Amount, EventSet, SealedEvent};
use outcry_store::{ReadAll, Store, StoreError, timer};
use uuid::Uuid;

use super::checkpoint::{self, Checkpoint};
use super::hours::session_of;
use super::recent::Recent;
use super::{Desk, Market};
use crate::book::{
    Book, BookEvent, CancelReason, Execution, Match, Pricing, Replacement, Session, Side, Terms,
};
use crate::trade::{Trade, TradeEvent, Unreadable, id};
use crate::views::{self, PhaseRow, SymbolRow};

/// Events read at a time.
const PAGE: usize = 2_000;

/// Why a desk cannot be made from the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The store did not answer.
    #[error("reading the events of {symbol}")]
    Store {
        symbol: String,
        #[source]
        source: StoreError,
    },
    /// The events are not those of a book.
    #[error("event {event_id} of {symbol} does not fit what happened before")]
    Broken {
        symbol: String,
        event_id: Uuid,
        #[source]
        source: Misfit,
    },
}

impl LoadError {
    /// Whether it is the events that are wrong: trying again does not help.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            LoadError::Store { source, .. } => !matches!(source, StoreError::Backend(_)),
            LoadError::Broken { .. } => true,
        }
    }
}

/// What is wrong with an event in its place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misfit {
    /// It cannot be read, or does not fit its trade.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Its trade is not in the book.
    #[error("order {0} is not in the book")]
    NotInBook(Uuid),
    /// Its terms mean nothing to the book.
    #[error("terms the book cannot hold")]
    Terms,
    /// It has another number than its place in the venue's sequence.
    #[error("venue sequence {found} where {expected} belongs")]
    Sequence { expected: u64, found: u64 },
    /// Only one side of a match.
    #[error("a match without its other side")]
    HalfMatch,
}

/// A book being rebuilt.
struct Replay<'a> {
    market: &'a Market,
    book: Book,
    trades: HashMap<Uuid, Trade>,
    /// The first side of a match whose second comes next.
    half: Option<TradeExecutedEvent>,
    /// How often the session has changed.
    sessions: u64,
    latest: SystemTime,
    /// Position of the last event.
    position: u64,
    /// Events applied one by one.
    events: usize,
}

/// Loads a symbol's desk as the store has it.
pub(super) async fn load(store: &dyn Store, market: &Market) -> Result<Desk, LoadError> {
    let symbol = &market.symbol;
    let failed = |source| LoadError::Store {
        symbol: symbol.clone(),
        source,
    };
    // Before the events: should somebody write meanwhile, the version is too old, not the book.
    let (row, version) = views::symbol(store, symbol).await.map_err(failed)?;
    let (kept, checkpoint) = checkpoint::read(store, market).await.map_err(failed)?;
    let mut replay = match checkpoint {
        Some(checkpoint) => Replay::resumed(market, checkpoint),
        None => Replay::begun(market),
    };
    replay.read(store).await?;
    let barred = views::barred(store, symbol).await.map_err(failed)?;
    // Halts of before sessions were events are only in the row.
    if !market.listed || (row.halted && replay.sessions == 0) {
        let halted = BookEvent::SessionChanged(Session::Halted);
        replay.book.evolve(&halted);
    }
    // The hours were seen to change by somebody whose clock may be ahead.
    let phase = row.phase.map_or(UNIX_EPOCH, PhaseRow::since);
    replay.latest = replay.latest.max(phase);
    let mut desk = replay.into_desk(barred.into_iter().collect());
    (desk.row, desk.version, desk.kept) = (row, version, kept);
    Ok(desk)
}

impl<'a> Replay<'a> {
    fn begun(market: &'a Market) -> Replay<'a> {
        Replay {
            market,
            book: Book::new(market.rules),
            trades: HashMap::new(),
            half: None,
            sessions: 0,
            latest: UNIX_EPOCH,
            position: 0,
            events: 0,
        }
    }

    fn resumed(market: &'a Market, checkpoint: Checkpoint) -> Replay<'a> {
        let (standings, trades): (Vec<_>, Vec<_>) = checkpoint.orders.into_iter().unzip();
        Replay {
            book: Book::restore(market.rules, checkpoint.head, standings),
            trades: trades
                .into_iter()
                .map(|trade| (trade.order_id, trade))
                .collect(),
            sessions: checkpoint.sessions,
            latest: timer::time_of(checkpoint.latest_ns),
            position: checkpoint.position,
            ..Replay::begun(market)
        }
    }

    /// Applies all events that are behind those it knows.
    async fn read(&mut self, store: &dyn Store) -> Result<(), LoadError> {
        let symbol = &self.market.symbol;
        loop {
            let filter = ReadAll {
                after: self.position,
                partition_key: Some(symbol.clone()),
                limit: PAGE,
            };
            let page = store.read_all(&filter).await;
            let page = page.map_err(|source| LoadError::Store {
                symbol: symbol.clone(),
                source,
            })?;
            for stored in &page {
                self.apply(&stored.event)
                    .map_err(|source| LoadError::Broken {
                        symbol: symbol.clone(),
                        event_id: stored.event.id(),
                        source,
                    })?;
                self.position = stored.position;
                self.events += 1;
            }
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    fn into_desk(self, barred: HashSet<Uuid>) -> Desk {
        let sides = [Side::Buy, Side::Sell].into_iter();
        let standing = sides.flat_map(|side| self.book.orders(side).chain(self.book.waiting(side)));
        let orders = standing.chain(self.book.woken());
        let unarmed: BTreeSet<_> = orders.filter_map(|order| order.expires_at).collect();
        Desk {
            market: self.market.clone(),
            book: self.book,
            trades: self.trades,
            barred,
            recent: Recent::default(),
            row: SymbolRow::default(),
            version: 0,
            sessions: self.sessions,
            armed: BTreeSet::new(),
            unarmed,
            kept: None,
            unkept: self.events,
            latest: self.latest,
        }
    }

    fn apply(&mut self, sealed: &SealedEvent) -> Result<(), Misfit> {
        self.latest = self.latest.max(sealed.occurred_at());
        if sealed.is::<SessionChangedEvent>() {
            let changed = sealed.payload().map_err(Unreadable::from)?;
            return self.session_changed(sealed, &changed);
        }
        let event = TradeEvent::open(sealed).map_err(Unreadable::from)?;
        if self.half.is_some() && !matches!(event, TradeEvent::Executed(_)) {
            return Err(Misfit::HalfMatch);
        }
        match &event {
            TradeEvent::Created(event) => return self.created(sealed, event),
            TradeEvent::Placed(event) => self.placed(event)?,
            TradeEvent::Executed(event) => self.executed(event)?,
            TradeEvent::Cancelled(event) => self.cancelled(event)?,
            TradeEvent::Failed(_) | TradeEvent::Closed(_) => {}
        }
        let order_id = order_of(&event)?;
        // A closed trade left the book when it was filled.
        let Some(trade) = self.trades.get_mut(&order_id) else {
            return Ok(());
        };
        trade.apply(sealed, &event)?;
        if !trade.is_open() {
            self.trades.remove(&order_id);
        }
        Ok(())
    }

    fn session_changed(
        &mut self,
        sealed: &SealedEvent,
        event: &SessionChangedEvent,
    ) -> Result<(), Misfit> {
        let session = session_of(event.new_state()).ok_or(Misfit::Terms)?;
        self.book.evolve(&BookEvent::SessionChanged(session));
        self.sessions = sealed.sequence();
        match self.half {
            Some(_) => Err(Misfit::HalfMatch),
            None => Ok(()),
        }
    }

    fn created(&mut self, sealed: &SealedEvent, event: &TradeCreatedEvent) -> Result<(), Misfit> {
        let trade = Trade::born(sealed, event)?;
        self.trades.insert(trade.order_id, trade);
        Ok(())
    }

    fn placed(&mut self, event: &TradePlacedEvent) -> Result<(), Misfit> {
        let order_id = id(&event.order_id, "order_id")?;
        let price = Amount::from_required(event.limit_price.as_ref())
            .map_err(Unreadable::from)?
            .raw();
        let trade = self.trades.get(&order_id);
        let status = trade.ok_or(Misfit::NotInBook(order_id))?.status();
        let waits = event.status() == TradeStatus::TriggerPending;
        let happened = match status {
            TradeStatus::Created => BookEvent::Placed(self.terms(order_id, price)?),
            TradeStatus::TriggerPending if !waits => BookEvent::Triggered { order_id, price },
            _ => BookEvent::Replaced(Replacement {
                order_id,
                quantity: event.quantity,
                price,
                stop: stop_of(event)?.filter(|_| waits),
                keeps_priority: event.kept_priority,
            }),
        };
        self.evolve(&happened, event.venue_sequence)
    }

    /// The terms of an order with the price it was accepted at.
    fn terms(&self, order_id: Uuid, price: i64) -> Result<Terms, Misfit> {
        let trade = self
            .trades
            .get(&order_id)
            .ok_or(Misfit::NotInBook(order_id))?;
        let (schedule, tick) = (&self.market.schedule, self.market.rules.tick);
        let terms = trade
            .book_terms(schedule, tick)
            .map_err(|_| Misfit::Terms)?;
        let pricing = match terms.pricing {
            Pricing::Limit(_) => Pricing::Limit(price),
            Pricing::Market { .. } => Pricing::Market { collar: price },
        };
        Ok(Terms { pricing, ..terms })
    }

    fn executed(&mut self, event: &TradeExecutedEvent) -> Result<(), Misfit> {
        let Some(first) = self.half.take() else {
            self.half = Some(event.clone());
            return Ok(());
        };
        let (taker, maker) = match first.liquidity() {
            Liquidity::Taker => (&first, event),
            Liquidity::Maker | Liquidity::Unspecified => (event, &first),
        };
        if taker.match_id != maker.match_id || maker.liquidity() != Liquidity::Maker {
            return Err(Misfit::HalfMatch);
        }
        let price = Amount::from_required(maker.last_price.as_ref())
            .map_err(Unreadable::from)?
            .raw();
        let happened = BookEvent::Matched(Match {
            price,
            quantity: maker.last_quantity,
            taker: self.execution(taker, price)?,
            maker: self.execution(maker, price)?,
        });
        self.evolve(&happened, maker.venue_sequence)
    }

    fn execution(&self, event: &TradeExecutedEvent, price: i64) -> Result<Execution, Misfit> {
        let order_id = id(&event.order_id, "order_id")?;
        let order = self
            .book
            .order(order_id)
            .ok_or(Misfit::NotInBook(order_id))?;
        let fee = Amount::from_required(event.fee.as_ref()).map_err(Unreadable::from)?;
        Ok(Execution {
            order_id,
            executed: event.cumulative_quantity,
            leaves: event.leaves_quantity,
            notional: order.notional + i128::from(price) * i128::from(event.last_quantity),
            fee: fee.raw(),
        })
    }

    fn cancelled(&mut self, event: &TradeCancelledEvent) -> Result<(), Misfit> {
        let order_id = id(&event.order_id, "order_id")?;
        if self.book.order(order_id).is_none() {
            return Err(Misfit::NotInBook(order_id));
        }
        let happened = BookEvent::Cancelled {
            order_id,
            leaves: event.cancelled_quantity,
            reason: CancelReason::Requested,
        };
        self.evolve(&happened, event.venue_sequence)
    }

    fn evolve(&mut self, happened: &BookEvent, venue_sequence: u64) -> Result<(), Misfit> {
        self.book.evolve(happened);
        if self.book.venue_seq() != venue_sequence {
            return Err(Misfit::Sequence {
                expected: self.book.venue_seq(),
                found: venue_sequence,
            });
        }
        Ok(())
    }
}

fn stop_of(event: &TradePlacedEvent) -> Result<Option<i64>, Unreadable> {
    let stop = event.stop_price.as_ref().map(Amount::from_money);
    Ok(stop.transpose()?.map(Amount::raw))
}

fn order_of(event: &TradeEvent) -> Result<Uuid, Unreadable> {
    let order_id = match event {
        TradeEvent::Created(event) => &event.order_id,
        TradeEvent::Placed(event) => &event.order_id,
        TradeEvent::Executed(event) => &event.order_id,
        TradeEvent::Closed(event) => &event.order_id,
        TradeEvent::Cancelled(event) => &event.order_id,
        TradeEvent::Failed(event) => &event.order_id,
    };
    id(order_id, "order_id")
}
