//! Following funds: each event becomes new rows.

mod work;

use async_trait::async_trait;
use outcry_contracts::Event as _;
use outcry_contracts::funds::v1::{FundsDepositedEvent, FundsSettledEvent, FundsWithdrawnEvent};
use outcry_contracts::users::v1::UserCreatedEvent;
use outcry_events::SealedEvent;
use outcry_service::{Context, Fault, GroupSpec, Reaction, Unknown};
use outcry_store::timer::nanos;
use outcry_store::{Commit, CommitError, Store, ViewWrite};
use tokio::sync::watch;
use tracing::debug;
use uuid::Uuid;

use self::work::{Step, Width, Work};
use crate::NAME;
use crate::domain::{FactError, Moved, Movement, TooLarge, movements, price};
use crate::views;

/// Topics of the events it follows.
pub const CONSUMES: &[&str] = &[
    UserCreatedEvent::TOPIC,
    FundsSettledEvent::TOPIC,
    FundsDepositedEvent::TOPIC,
    FundsWithdrawnEvent::TOPIC,
];

/// A step reads up to so many rows of one kind, and takes of up to so many lots and one page more.
/// Each take is written with its lot and its sale: an event changes two holdings, and all of that
/// fits into one commit.
const WIDTH: Width = Width {
    page: 256,
    takes: 512,
};

/// Keeps portfolios up to date.
pub(crate) struct Follower {
    ctx: Context,
    width: Width,
    /// Counts what was followed, for those who wait for news.
    news: watch::Sender<u64>,
}

// === impl Follower ===

impl Follower {
    pub(crate) fn new(ctx: Context, news: watch::Sender<u64>) -> Follower {
        Follower {
            ctx,
            width: WIDTH,
            news,
        }
    }

    fn store(&self) -> &dyn Store {
        self.ctx.store.as_ref()
    }

    /// The time it is, for rows to say when they were written.
    fn now_ns(&self) -> i64 {
        nanos(self.ctx.clock.now()).unwrap_or_default()
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
    /// Mostly that is one step. What comes late, or takes more lots than fit into a commit, needs
    /// several. All but the last are commits of their own, each of which leaves rows that belong
    /// together: whoever comes next, be it after a crash or for another event, goes on from there.
    async fn change(&self, event_id: Uuid, moved: &[Moved]) -> Result<Vec<ViewWrite>, Fault> {
        let Some(first) = moved.first() else {
            return Ok(Vec::new());
        };
        let holding = (first.user_id.as_str(), first.symbol.as_str());
        loop {
            let mut work = Work::begin(self.store(), holding, self.width).await?;
            if self.step(&mut work, event_id, moved).await? == Step::Done {
                return Ok(work.writes(self.now_ns())?);
            }
            match self.store().commit(work.commit(self.now_ns())?).await {
                Ok(()) => debug!(%event_id, "the event changes more than one commit can"),
                Err(CommitError::Store(error)) => return Err(error.into()),
                Err(error @ CommitError::Invalid(_)) => return Err(Fault::park(error)),
                // Somebody else has changed the holding: the next look sees what.
                Err(error) => debug!(%event_id, %error, "overtaken; looking again"),
            }
        }
    }

    async fn step(
        &self,
        work: &mut Work<'_>,
        event_id: Uuid,
        moved: &[Moved],
    ) -> Result<Step, Fault> {
        if let ([one], true) = (moved, work.is_usual(event_id)) {
            work.after.count(&one.movement, None)?;
            return match &one.movement {
                Movement::Acquired { .. } => Ok(Step::Done),
                Movement::Disposed { .. } => work.cover_newest(event_id).await,
            };
        }
        let mut is_new = false;
        for one in moved {
            is_new |= work.count(&one.movement).await?;
        }
        if is_new {
            return Ok(Step::More);
        }
        if let Some(from) = work.after.position.rewind {
            return work.undo(from).await;
        }
        work.cover().await
    }

    /// The portfolios of a user who has registered.
    async fn open(&self, event: &SealedEvent) -> Result<Vec<ViewWrite>, Fault> {
        if !event.is::<UserCreatedEvent>() {
            return Ok(Vec::new());
        }
        let created: UserCreatedEvent = event.payload().map_err(Fault::park)?;
        let at_ns = nanos(event.occurred_at()).ok_or(FactError::Time)?;
        let (mut portfolios, version) = views::portfolios(self.store(), &created.user_id).await?;
        portfolios.open(at_ns);
        Ok(vec![views::portfolios_change(&portfolios, version)?])
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
            views.extend(views::price_change(self.store(), price, self.now_ns()).await?);
        }
        views.extend(self.open(event).await?);
        Ok(Commit {
            views,
            ..Commit::default()
        })
    }

    async fn committed(&self, _event: &SealedEvent) {
        self.news.send_modify(|count| *count += 1);
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
