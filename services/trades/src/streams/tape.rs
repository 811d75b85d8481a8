//! The tape of a symbol, as it grows.

use std::sync::Arc;

use outcry_contracts::trades::v1::StreamTapeResponse;
use outcry_mesh::refusal;
use outcry_store::Store;
use tonic::{Code, Status};

use super::{Bell, Listener};
use crate::venue::Venue;
use crate::views;

/// Matches read at a time.
const PAGE: usize = 500;

/// The matches of a symbol behind a venue sequence, each once and in order, wherever they are
/// decided: the tape is written in the commit that decides them.
pub(crate) struct TapeFeed {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) venue: Venue,
    pub(crate) symbol: String,
    /// Venue sequence of the last match sent.
    pub(crate) after: u64,
    /// Whether the listener may know whose orders met.
    pub(crate) with_orders: bool,
}

impl TapeFeed {
    /// Sends what there is and what comes; why it ends, or nothing when nobody listens any more.
    pub(crate) async fn run(mut self, listener: Listener<StreamTapeResponse>) -> Option<Status> {
        let mut bell = Bell {
            commits: self.store.commits(),
            news: self.venue.news(),
        };
        loop {
            bell.hush();
            let store = self.store.as_ref();
            let tape = match views::tape_after(store, &self.symbol, self.after, PAGE).await {
                Ok(tape) => tape,
                Err(error) => {
                    tracing::warn!(%error, "reading the tape for a stream failed");
                    let message =
                        "the venue cannot reach its store; resume after the last sequence";
                    let reason = "STORE_UNAVAILABLE";
                    return Some(refusal::with_reason(Code::Unavailable, reason, message));
                }
            };
            let is_all = tape.is_empty();
            for row in tape {
                let execution = Some(row.shown(self.with_orders));
                let reply = StreamTapeResponse { execution };
                if listener.send(Ok(reply)).await.is_err() {
                    return None;
                }
                self.after = row.venue_seq;
            }
            if is_all && !bell.wait(&listener).await {
                return None;
            }
        }
    }
}
