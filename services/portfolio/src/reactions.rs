//! Following funds: each event becomes new rows.

use async_trait::async_trait;
use outcry_contracts::Event as _;
use outcry_contracts::funds::v1::{FundsDepositedEvent, FundsSettledEvent};
use outcry_contracts::users::v1::UserCreatedEvent;
use outcry_events::SealedEvent;
use outcry_service::{Context, Fault, GroupSpec, Reaction, Unknown};
use outcry_store::timer::nanos;
use outcry_store::{Commit, ViewWrite};

use crate::NAME;
use crate::domain::{FactError, MoveError, Moved, movements, price};
use crate::views::{self, PORTFOLIOS, PRICES, Portfolio, SALE_LOTS_MAX};

/// Topics of the events it follows.
pub const CONSUMES: &[&str] = &[
    UserCreatedEvent::TOPIC,
    FundsSettledEvent::TOPIC,
    FundsDepositedEvent::TOPIC,
];

/// Keeps portfolios up to date.
pub(crate) struct Follower {
    ctx: Context,
}

// === impl Follower ===

impl Follower {
    pub(crate) fn new(ctx: Context) -> Follower {
        Follower { ctx }
    }

    /// The rows after the movements of one event. Two of them can be of the same holding.
    async fn follow(&self, moved: &[Moved]) -> Result<Vec<ViewWrite>, Fault> {
        let mut writes = Vec::new();
        let mut rest = moved;
        while let Some(first) = rest.first() {
            let same = rest
                .iter()
                .take_while(|one| (&one.user_id, &one.symbol) == (&first.user_id, &first.symbol))
                .count();
            let (these, others) = rest.split_at(same);
            writes.extend(self.change(first, these).await?);
            rest = others;
        }
        Ok(writes)
    }

    async fn change(&self, of: &Moved, moved: &[Moved]) -> Result<Vec<ViewWrite>, Fault> {
        let shares = moved.iter().map(|one| one.movement.outgoing()).sum();
        let store = self.ctx.store.as_ref();
        let kept = views::holding(store, &of.user_id, &of.symbol, shares).await?;
        if kept.holding.lots.len() > SALE_LOTS_MAX {
            return Err(Fault::park(format!(
                "the sale takes more than {SALE_LOTS_MAX} lots"
            )));
        }
        let mut after = kept.holding.clone();
        for one in moved {
            after = after.after(&one.movement)?;
        }
        Ok(views::changes(&kept, &after)?)
    }
}

#[async_trait]
impl Reaction for Follower {
    /// One partition: which lots a sale takes depends on what came before it, under whatever key.
    fn group(&self) -> GroupSpec {
        GroupSpec::new(NAME, CONSUMES, Unknown::Skip).partitions(1)
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let mut views = self.follow(&movements(event)?).await?;
        if let Some(price) = price(event)? {
            views.push(ViewWrite::put(PRICES, price.symbol.clone(), &price)?);
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

/// Events of funds come in order per symbol and per user, so a sale of shares can be here before
/// the issue that brought them: it waits.
impl From<MoveError> for Fault {
    fn from(error: MoveError) -> Fault {
        match error {
            MoveError::Short { .. } => Fault::retry(error),
            MoveError::TooLarge { .. } => Fault::park(error),
        }
    }
}

/// What cannot be read now cannot be read later.
impl From<FactError> for Fault {
    fn from(error: FactError) -> Fault {
        Fault::park(error)
    }
}
