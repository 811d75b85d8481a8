//! The one way to the desks: a request is carried out by the desk of its symbol, here or at the
//! replica that has it.
//!
//! A symbol may be on its way from one replica to another, or its replica may be gone. Requests
//! wait for a while then, and are sent again to wherever the desk comes up: all of them can be
//! repeated. A request that came from another replica is never passed on.

mod errand;
mod holders;
mod patience;

use std::sync::Arc;
use std::time::Duration;

use outcry_contracts::trades::v1::DeskOutcome;
use outcry_contracts::trades::v1::desk_service_client::DeskServiceClient;
use outcry_events::Cause;
use outcry_service::Context;
use outcry_store::Member;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::config::Config;
use crate::desk::Answer;
use crate::floor::{Floor, Place, post_of};
use crate::trade::Trade;
use crate::venue::{VenueError, is_no_effect};
use crate::views;

pub(crate) use errand::{Errand, Reply};

use holders::Holders;
use patience::Patience;

/// How often a request that is with another replica asks whether that one still has the symbol:
/// one that hangs loses it, but does not hang up.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Refusals of a desk's replica that are the same wherever the request comes from.
const FINAL: [&str; 3] = ["BOOK_BROKEN", "STORE_UNAVAILABLE", "VENUE_UNAVAILABLE"];

/// Leads requests to desks.
pub(crate) struct Routing {
    ctx: Context,
    config: Arc<Config>,
    floor: Arc<Floor>,
    holders: Holders,
}

/// What came of looking for a desk.
enum Found {
    /// Its answer.
    Reply(Reply),
    /// Nobody has it at the moment.
    Nobody,
    /// It is being opened here.
    Opening,
    /// It has moved meanwhile.
    Moved,
}

// === impl Routing ===

impl Routing {
    pub(crate) fn new(ctx: Context, config: Arc<Config>, floor: Arc<Floor>) -> Routing {
        Routing {
            holders: Holders::new(&ctx),
            ctx,
            config,
            floor,
        }
    }

    /// Has the desk of a symbol see to an errand, wherever it is.
    ///
    /// # Errors
    /// [`VenueError`]. Unless it is about the errand itself, what became of it is not known.
    pub(crate) async fn send(
        &self,
        symbol: &str,
        errand: &Errand,
        cause: &Cause,
    ) -> Result<Reply, VenueError> {
        self.check_symbol(symbol).await?;
        let mut patience = Patience::begin();
        let mut changes = self.floor.changes();
        loop {
            changes.mark_unchanged();
            let found = match self.floor.place(symbol) {
                Place::Elsewhere => self.pass_on(symbol, errand, cause).await?,
                place => self.see_to(place, symbol, errand, cause).await?,
            };
            let waited = match found {
                Found::Reply(reply) => return Ok(reply),
                Found::Nobody => patience.for_a_holder(&mut changes).await,
                Found::Opening => patience.for_a_book(&mut changes).await,
                Found::Moved => true,
            };
            if !waited {
                return Err(VenueError::Moving(symbol.to_owned()));
            }
        }
    }

    /// Fails unless the venue trades a symbol, or has traded it.
    ///
    /// # Errors
    /// [`VenueError::UnknownSymbol`] and [`VenueError::Store`].
    pub(crate) async fn check_symbol(&self, symbol: &str) -> Result<(), VenueError> {
        if self.config.lists(symbol) || views::is_known(self.store(), symbol).await? {
            return Ok(());
        }
        Err(VenueError::UnknownSymbol(symbol.to_owned()))
    }

    /// Has the desk of a symbol see to an errand that another replica has passed on.
    ///
    /// # Errors
    /// [`VenueError::Moving`] when the desk is not here; else as [`Routing::send`].
    pub(crate) async fn receive(
        &self,
        symbol: &str,
        errand: &Errand,
        cause: &Cause,
    ) -> Result<Reply, VenueError> {
        let mut patience = Patience::begin();
        let mut changes = self.floor.changes();
        loop {
            changes.mark_unchanged();
            let place = self.floor.place(symbol);
            match self.see_to(place, symbol, errand, cause).await? {
                Found::Reply(reply) => return Ok(reply),
                Found::Opening if patience.for_a_book(&mut changes).await => {}
                Found::Opening | Found::Nobody | Found::Moved => {
                    return Err(VenueError::Moving(symbol.to_owned()));
                }
            }
        }
    }

    async fn see_to(
        &self,
        place: Place,
        symbol: &str,
        errand: &Errand,
        cause: &Cause,
    ) -> Result<Found, VenueError> {
        let desk = match place {
            Place::Open(desk) => desk,
            Place::Opening => return Ok(Found::Opening),
            Place::Elsewhere => return Ok(Found::Nobody),
            Place::Broken => return Err(VenueError::BookBroken(symbol.to_owned())),
            Place::Nowhere => return Err(VenueError::UnknownSymbol(symbol.to_owned())),
        };
        let ask = match errand {
            Errand::Show { depth } => {
                let book = desk.snapshot().shown(symbol, *depth);
                return Ok(Found::Reply(Reply::Book(book)));
            }
            Errand::Carry(ask) => ask.clone(),
        };
        match desk.ask(ask, cause.clone()).await {
            Answer::Trade(trade) => Ok(Found::Reply(Reply::Trade(trade))),
            Answer::NoEffect(no_effect) => Err(no_effect.into()),
            Answer::Unavailable => Err(VenueError::Unavailable),
            Answer::Broken => Err(VenueError::Broken),
            Answer::Gone => Ok(Found::Nobody),
        }
    }

    /// Passes an errand on to the replica that has the symbol.
    async fn pass_on(
        &self,
        symbol: &str,
        errand: &Errand,
        cause: &Cause,
    ) -> Result<Found, VenueError> {
        let post = post_of(symbol);
        let Some(holder) = self.holders.of(post).await? else {
            return Ok(Found::Nobody);
        };
        // Ours, but not on the floor yet or any more: that changes soon. And who has no address
        // cannot be asked.
        if holder.id == self.ctx.member.id || holder.address.is_empty() {
            self.holders.doubt(post, &holder).await;
            return Ok(Found::Nobody);
        }
        let address = holder.address.as_str();
        let peer = self
            .ctx
            .directory
            .channel_at(self.ctx.service, self.ctx.service, address);
        let mut desk = DeskServiceClient::new(peer);
        let answered = tokio::select! {
            biased;
            answered = desk.ask_desk(errand.request(symbol, cause)) => answered,
            () = self.replaced(post, &holder) => return Ok(Found::Moved),
        };
        let response = match answered {
            Ok(response) => response.into_inner(),
            Err(status) if is_about_the_way(&status) => {
                tracing::debug!(symbol, address, message = status.message(), "not passed on");
                self.holders.doubt(post, &holder).await;
                return Ok(Found::Nobody);
            }
            Err(status) => return Err(passed(status)),
        };
        match response.outcome() {
            DeskOutcome::Trade => self.trade_of(errand).await,
            DeskOutcome::NoTrade => Ok(Found::Reply(Reply::Trade(None))),
            DeskOutcome::Book => match response.book {
                Some(book) => Ok(Found::Reply(Reply::Book(book))),
                None => Err(VenueError::Broken),
            },
            // It is configured otherwise than this replica, as while one is replaced by the next.
            DeskOutcome::NotTraded if self.config.lists(symbol) => Ok(Found::Nobody),
            DeskOutcome::NotTraded => Err(VenueError::UnknownSymbol(symbol.to_owned())),
            DeskOutcome::Unspecified => Err(VenueError::Broken),
        }
    }

    /// Comes back when somebody else has a post.
    async fn replaced(&self, post: u32, holder: &Member) {
        loop {
            tokio::time::sleep(LOOK_AFTER).await;
            match self.holders.of(post).await {
                Ok(Some(now)) if now.id == holder.id => {}
                // Until another one is known, the answer may still come.
                Ok(None) | Err(_) => {}
                Ok(Some(_)) => return,
            }
        }
    }

    /// The trade of the order an errand was about: all replicas have one store.
    async fn trade_of(&self, errand: &Errand) -> Result<Found, VenueError> {
        let trade: Option<Trade> = match errand.order_id() {
            Some(order_id) => views::trade_of(self.store(), order_id).await?,
            None => None,
        };
        match trade {
            Some(trade) => Ok(Found::Reply(Reply::Trade(Some(Box::new(trade))))),
            None => Err(VenueError::Broken),
        }
    }

    fn store(&self) -> &dyn outcry_store::Store {
        self.ctx.store.as_ref()
    }
}

/// Whether a refusal says only that the desk was not reached there.
fn is_about_the_way(status: &Status) -> bool {
    status.code() == Code::Unavailable && !FINAL.contains(&reason(status).as_str())
}

/// What a refusal of the desk's replica means to the caller here. Only the desk's own words go on
/// to the caller: others are about this replica's call, and what became of the errand is not known.
fn passed(status: Status) -> VenueError {
    let (code, reason) = (status.code(), reason(&status));
    match code {
        Code::Unavailable => VenueError::Passed(Box::new(status)),
        Code::NotFound | Code::FailedPrecondition | Code::InvalidArgument
            if is_no_effect(&reason) =>
        {
            VenueError::Passed(Box::new(status))
        }
        Code::Internal => VenueError::Broken,
        _ => {
            let message = status.message();
            tracing::warn!(?code, reason, message, "a desk elsewhere did not answer");
            VenueError::Unavailable
        }
    }
}

fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    info.map(|info| info.reason).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use outcry_mesh::refusal::{self, Refusal};

    use super::*;
    use crate::book;
    use crate::desk::NoEffect;

    #[test]
    fn what_the_desk_says_reaches_the_caller_as_it_is() {
        let halted = NoEffect::Terms(book::Refusal::Halted);
        let others = [
            NoEffect::NoSuchOrder,
            NoEffect::RevisionTaken,
            NoEffect::RequestReused,
        ];
        for error in others.into_iter().chain([halted]).map(VenueError::from) {
            let (code, reason) = (error.code(), error.reason());
            let status = Status::from(passed(error.into()));
            assert_eq!(
                (status.code(), super::reason(&status).as_str()),
                (code, reason)
            );
        }
    }

    #[test]
    fn what_the_way_says_is_never_taken_for_the_desks_word() {
        for code in [
            Code::NotFound,
            Code::FailedPrecondition,
            Code::Unauthenticated,
        ] {
            let status = refusal::with_reason(code, "NOT_A_PEER", "somebody else answered");
            assert!(matches!(passed(status), VenueError::Unavailable));
        }
        let moving = Status::from(VenueError::Moving("ACME".into()));
        assert!(is_about_the_way(&moving));
        for error in [
            VenueError::BookBroken("ACME".into()),
            VenueError::Unavailable,
        ] {
            assert!(!is_about_the_way(&error.into()));
        }
    }
}
