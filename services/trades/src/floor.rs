//! The trading floor: the desks that are open in this process.
//!
//! The venue's symbols are spread over posts, by name. A post is at one replica of the venue at a
//! time, with all its desks; which one, the store knows.

mod posts;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use outcry_events::key::place_of;
use outcry_store::Lease;
use tokio::sync::watch;

use crate::desk::DeskHandle;

pub(crate) use posts::Posts;

/// Name of the pool whose slots are the posts.
pub(crate) const POOL: &str = "venue";

/// How many posts there are: more than a venue has replicas, so that their shares are about even.
/// Replicas that disagree about this number would trade the same symbols, so it never changes
/// while some run.
pub(crate) const POSTS: u32 = 16;

/// The post of a symbol.
pub(crate) fn post_of(symbol: &str) -> u32 {
    place_of(symbol, POSTS)
}

/// Where the desk of a symbol is, seen from here.
#[derive(Clone)]
pub(crate) enum Place {
    /// Its post is not here.
    Elsewhere,
    /// It is being opened here.
    Opening,
    /// It is open here.
    Open(DeskHandle),
    /// It is here, but its book cannot be loaded.
    Broken,
    /// Its post is here, and no desk for the symbol at it.
    Nowhere,
}

/// What is open here.
pub(crate) struct Floor {
    posts: RwLock<BTreeMap<u32, Post>>,
    changes: watch::Sender<()>,
    /// A book has changed.
    news: watch::Sender<()>,
}

/// One post.
struct Post {
    epoch: u64,
    /// Its desks by symbol; none until it is known which symbols it has.
    desks: Option<HashMap<String, Place>>,
}

/// The right to change a post; without it the post is gone from the floor.
pub(crate) struct Tenure {
    floor: Arc<Floor>,
    post: u32,
    epoch: u64,
}

// === impl Floor ===

impl Floor {
    /// An empty floor.
    pub(crate) fn new() -> Floor {
        Floor {
            posts: RwLock::default(),
            changes: watch::Sender::new(()),
            news: watch::Sender::new(()),
        }
    }

    /// Where the desk of a symbol is.
    pub(crate) fn place(&self, symbol: &str) -> Place {
        // A post is whole after every change, so a panic elsewhere has not left it half written.
        let posts = self.posts.read().unwrap_or_else(PoisonError::into_inner);
        match posts.get(&post_of(symbol)) {
            None => Place::Elsewhere,
            Some(Post { desks: None, .. }) => Place::Opening,
            Some(Post {
                desks: Some(desks), ..
            }) => desks.get(symbol).cloned().unwrap_or(Place::Nowhere),
        }
    }

    /// Tells when something has changed.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Tells when some book here has changed.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    fn change(&self, alter: impl FnOnce(&mut BTreeMap<u32, Post>)) {
        alter(&mut self.posts.write().unwrap_or_else(PoisonError::into_inner));
        self.changes.send_replace(());
    }
}

// === impl Tenure ===

impl Tenure {
    /// Puts a post on the floor.
    fn begin(floor: &Arc<Floor>, lease: &Lease) -> Tenure {
        let (slot, epoch) = (lease.slot, lease.epoch);
        floor.change(|posts| {
            posts.insert(slot, Post { epoch, desks: None });
        });
        Tenure {
            floor: Arc::clone(floor),
            post: slot,
            epoch,
        }
    }

    /// The post has desks for these symbols, and will open them.
    fn expect<'a>(&self, symbols: impl Iterator<Item = &'a str>) {
        let opening = symbols.map(|symbol| (symbol.to_owned(), Place::Opening));
        self.change(|post| post.desks = Some(opening.collect()));
    }

    /// How desks say that their book has changed.
    fn news(&self) -> watch::Sender<()> {
        self.floor.news.clone()
    }

    /// Says where the desk of one of the post's symbols is.
    fn put(&self, symbol: &str, place: Place) {
        self.change(|post| {
            let desks = post.desks.get_or_insert_default();
            desks.insert(symbol.to_owned(), place);
        });
    }

    fn change(&self, alter: impl FnOnce(&mut Post)) {
        self.floor.change(|posts| {
            // The next tenure of the post may have begun already; it is not ours to change.
            if let Some(post) = posts.get_mut(&self.post)
                && post.epoch == self.epoch
            {
                alter(post);
            }
        });
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        self.floor.change(|posts| {
            if posts
                .get(&self.post)
                .is_some_and(|post| post.epoch == self.epoch)
            {
                posts.remove(&self.post);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(slot: u32, epoch: u64) -> Lease {
        Lease {
            pool: POOL.into(),
            slot,
            epoch,
        }
    }

    #[test]
    fn a_post_is_on_the_floor_as_long_as_its_tenure_lasts() {
        let floor = Arc::new(Floor::new());
        let slot = post_of("ACME");
        assert!(matches!(floor.place("ACME"), Place::Elsewhere));
        let tenure = Tenure::begin(&floor, &lease(slot, 1));
        assert!(matches!(floor.place("ACME"), Place::Opening));
        tenure.expect(["ACME"].into_iter());
        assert!(matches!(floor.place("ACME"), Place::Opening));
        tenure.put("ACME", Place::Broken);
        assert!(matches!(floor.place("ACME"), Place::Broken));
        tenure.put("ACME", Place::Nowhere);
        assert!(matches!(floor.place("ACME"), Place::Nowhere));
        drop(tenure);
        assert!(matches!(floor.place("ACME"), Place::Elsewhere));
    }

    #[test]
    fn an_earlier_tenure_does_not_touch_the_next_one() {
        let floor = Arc::new(Floor::new());
        let slot = post_of("ACME");
        let earlier = Tenure::begin(&floor, &lease(slot, 1));
        let next = Tenure::begin(&floor, &lease(slot, 2));
        next.expect(["ACME"].into_iter());
        earlier.put("ACME", Place::Broken);
        drop(earlier);
        assert!(matches!(floor.place("ACME"), Place::Opening));
    }
}
