//! Who has which post, as the store told lately.

use std::sync::Arc;
use std::time::Duration;

use outcry_service::Context;
use outcry_store::{Member, Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::floor::{POOL, POSTS};

/// How long an answer is taken for true. One that is not is found out by the replica it leads to.
const KEPT: Duration = Duration::from_secs(1);

/// How long an answer is taken for true that is doubted, or that names nobody: so many who wait
/// ask the store but once.
const DOUBTED_KEPT: Duration = Duration::from_millis(30);

/// The holders of all posts.
pub(super) struct Holders {
    store: Arc<dyn Store>,
    posts: Vec<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    holder: Option<Member>,
    /// Until when it counts; never asked before.
    until: Option<Instant>,
}

// === impl Holders ===

impl Holders {
    pub(super) fn new(ctx: &Context) -> Holders {
        Holders {
            store: Arc::clone(&ctx.store),
            posts: (0..POSTS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Who has a post.
    pub(super) async fn of(&self, post: u32) -> Result<Option<Member>, StoreError> {
        let Some(known) = self.posts.get(post as usize) else {
            return Ok(None);
        };
        // Held while the store is asked: whoever comes meanwhile gets the same answer.
        let mut known = known.lock().await;
        if known.until.is_none_or(|until| until <= Instant::now()) {
            known.holder = self.store.holder(POOL, post).await?;
            let kept = if known.holder.is_some() {
                KEPT
            } else {
                DOUBTED_KEPT
            };
            known.until = Some(Instant::now() + kept);
        }
        Ok(known.holder.clone())
    }

    /// This holder did not answer as one: the store is asked again soon.
    pub(super) async fn doubt(&self, post: u32, holder: &Member) {
        let Some(known) = self.posts.get(post as usize) else {
            return;
        };
        let mut known = known.lock().await;
        if known.holder.as_ref() == Some(holder) {
            let soon = Instant::now() + DOUBTED_KEPT;
            known.until = known.until.map(|until| until.min(soon));
        }
    }
}
