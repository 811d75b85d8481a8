//! Following funds: each event becomes new rows.

use async_trait::async_trait;
use outcry_contracts::Event as _;
use outcry_contracts::funds::v1::{FundsDepositedEvent, FundsSettledEvent};
use outcry_contracts::users::v1::UserCreatedEvent;
use outcry_events::SealedEvent;
use outcry_service::{Context, Fault, GroupSpec, Reaction, Unknown};
use outcry_store::timer::nanos;
use outcry_store::{Commit, CommitError, Store, ViewWrite};
use tracing::debug;
use uuid::Uuid;

use crate::NAME;
use crate::domain::{FactError, Moved, TooLarge, movements, price};
use crate::views::{self, PORTFOLIOS, Portfolio, Sides, Window};

/// Topics of the events it follows.
pub const CONSUMES: &[&str] = &[
    UserCreatedEvent::TOPIC,
    FundsSettledEvent::TOPIC,
    FundsDepositedEvent::TOPIC,
];

/// Lots read from one side at first: mostly the oldest one alone gives all that is sold.
const LOTS_FIRST: usize = 32;

/// Lots read from one side at most. An event changes two holdings, each from two sides, and all
/// of that fits into one commit.
const LOTS_MAX: usize = 2_048;

/// Keeps portfolios up to date.
pub(crate) struct Follower {
    ctx: Context,
    /// Lots read from one side: at first, and at most.
    lots: (usize, usize),
}

// === impl Follower ===

impl Follower {
    pub(crate) fn new(ctx: Context) -> Follower {
        Follower {
            ctx,
            lots: (LOTS_FIRST, LOTS_MAX),
        }
    }

    fn store(&self) -> &dyn Store {
        self.ctx.store.as_ref()
    }

    /// The rows after the movements of one event. Two of them can be of the same holding.
    async fn follow(&self, event_id: Uuid, moved: &[Moved]) -> Result<Vec<ViewWrite>, Fault> {
        let mut writes = Vec::new();
        let mut rest = moved;
        while let Some(first) = rest.first() {
            let same = rest
                .iter()
                .take_while(|one| (&one.user_id, &one.symbol) == (&first.user_id, &first.symbol))
                .count();
            let (these, others) = rest.split_at(same);
            writes.extend(self.change(event_id, these).await?);
            rest = others;
        }
        Ok(writes)
    }

    /// The rows of one holding after the movements of one event.
    ///
    /// Looks at more lots until all are there that change. When those do not fit into one commit,
    /// the first of them go into commits of their own, and the position says that the event is
    /// counted in but not finished.
    async fn change(&self, event_id: Uuid, moved: &[Moved]) -> Result<Vec<ViewWrite>, Fault> {
        let Some(Moved {
            user_id, symbol, ..
        }) = moved.first()
        else {
            return Ok(Vec::new());
        };
        let (mut width, most) = self.lots;
        loop {
            let (position, version) = views::position(self.store(), user_id, symbol).await?;
            let sides = Sides::of(&position, moved);
            let window = Window::read(self.store(), position, sides, width).await?;
            let mut after = window.holding.clone();
            if !after.position.unfinished.contains(&event_id) {
                for one in moved {
                    after.count(&one.movement)?;
                }
            }
            after.arrange()?;
            if window.suffices(&after) {
                after.position.unfinished.remove(&event_id);
                return Ok(views::changes(&window.holding, version, &after)?);
            }
            if width < most {
                width = most.min(width * 2);
                continue;
            }
            // Asked after the position was read: whoever finishes the event meanwhile changes it.
            if self.store().is_handled(NAME, event_id).await? {
                return Ok(Vec::new());
            }
            after.position.unfinished.insert(event_id);
            let step = Commit {
                views: views::changes(&window.holding, version, &after)?,
                ..Commit::default()
            };
            match self.store().commit(step).await {
                Ok(()) => debug!(%event_id, "the event changes more lots than one commit can"),
                Err(CommitError::Store(error)) => return Err(error.into()),
                Err(error @ CommitError::Invalid(_)) => return Err(Fault::park(error)),
                // Somebody else has changed the holding: the next look sees what.
                Err(error) => debug!(%event_id, %error, "overtaken; looking again"),
            }
        }
    }
}

#[async_trait]
impl Reaction for Follower {
    fn group(&self) -> GroupSpec {
        GroupSpec::new(NAME, CONSUMES, Unknown::Skip)
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let mut views = self.follow(event.id(), &movements(event)?).await?;
        if let Some(price) = price(event)? {
            views.extend(views::price_change(self.store(), &price).await?);
        }
        if event.is::<UserCreatedEvent>() {
            let portfolio = Portfolio {
                user_id: event.payload::<UserCreatedEvent>()?.user_id,
                opened_at_ns: nanos(event.occurred_at()).ok_or(FactError::Time)?,
            };
            let key = portfolio.user_id.clone();
            views.push(ViewWrite::put(PORTFOLIOS, key, &portfolio)?);
        }
        Ok(Commit {
            views,
            ..Commit::default()
        })
    }
}

/// A sum that is too large now stays so.
impl From<TooLarge> for Fault {
    fn from(error: TooLarge) -> Fault {
        Fault::park(error)
    }
}

/// What cannot be read now cannot be read later.
impl From<FactError> for Fault {
    fn from(error: FactError) -> Fault {
        Fault::park(error)
    }
}

#[cfg(test)]
mod tests;
