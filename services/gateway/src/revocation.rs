//! Which tokens no longer count: those signed in an earlier epoch than their user's.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use outcry_mesh::token::{CLOCK_SKEW, Claims, MAX_LIFETIME};
use tokio::sync::watch;

/// Below this many entries nothing is pruned: looking costs more than the memory.
const PRUNE_FROM: usize = 1024;

/// The epochs of users whose tokens were revoked lately. Cheap to clone; all clones share them.
///
/// An epoch is remembered for as long as a token of an earlier one could still count.
#[derive(Debug, Clone)]
pub(crate) struct Revocations {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    epochs: RwLock<Epochs>,
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct Epochs {
    by_user: HashMap<String, Epoch>,
    prune_at: usize,
}

#[derive(Debug, Clone, Copy)]
struct Epoch {
    epoch: u64,
    since: SystemTime,
}

/// For how long a token signed before a change of epoch could count.
pub(crate) fn remembered_for() -> Duration {
    MAX_LIFETIME + CLOCK_SKEW * 2
}

impl Revocations {
    pub(crate) fn new() -> Revocations {
        let epochs = Epochs {
            by_user: HashMap::new(),
            prune_at: PRUNE_FROM,
        };
        Revocations {
            inner: Arc::new(Inner {
                epochs: RwLock::new(epochs),
                changes: watch::Sender::new(0),
            }),
        }
    }

    /// Notes a user's epoch and when it began. An earlier epoch than the known one changes nothing.
    pub(crate) fn note(&self, user_id: &str, epoch: u64, since: SystemTime) {
        let mut epochs = self
            .inner
            .epochs
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if epochs
            .by_user
            .get(user_id)
            .is_some_and(|known| known.epoch >= epoch)
        {
            return;
        }
        epochs
            .by_user
            .insert(user_id.to_owned(), Epoch { epoch, since });
        if epochs.by_user.len() >= epochs.prune_at {
            epochs.by_user.retain(|_, known| {
                since
                    .duration_since(known.since)
                    .is_ok_and(|age| age < remembered_for())
                    || known.since >= since
            });
            epochs.prune_at = (epochs.by_user.len() * 2).max(PRUNE_FROM);
        }
        drop(epochs);
        self.inner.changes.send_modify(|version| *version += 1);
    }

    /// Whether the token was revoked.
    pub(crate) fn is_revoked(&self, claims: &Claims) -> bool {
        let epochs = self
            .inner
            .epochs
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        epochs
            .by_user
            .get(&claims.sub)
            .is_some_and(|known| claims.epoch < known.epoch)
    }

    /// Comes back once the token is revoked.
    pub(crate) async fn revoked(&self, claims: &Claims) {
        let mut changes = self.inner.changes.subscribe();
        while !self.is_revoked(claims) {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use outcry_mesh::Role;
    use uuid::Uuid;

    use super::*;

    fn claims(user: &str, epoch: u64) -> Claims {
        Claims::new(
            user,
            &[Role::User],
            epoch,
            Uuid::nil(),
            UNIX_EPOCH,
            MAX_LIFETIME,
        )
    }

    #[test]
    fn tokens_of_earlier_epochs_are_revoked_and_no_others() {
        let revocations = Revocations::new();
        revocations.note("u1", 3, UNIX_EPOCH);
        assert!(revocations.is_revoked(&claims("u1", 2)));
        assert!(!revocations.is_revoked(&claims("u1", 3)));
        assert!(!revocations.is_revoked(&claims("u1", 4)));
        assert!(!revocations.is_revoked(&claims("u2", 0)));
        revocations.note("u1", 2, UNIX_EPOCH);
        assert!(
            revocations.is_revoked(&claims("u1", 2)),
            "an epoch never goes back"
        );
    }

    #[test]
    fn only_what_could_still_matter_is_remembered() {
        let revocations = Revocations::new();
        for user in 0..PRUNE_FROM - 1 {
            revocations.note(&format!("old{user}"), 1, UNIX_EPOCH);
        }
        revocations.note("new", 1, UNIX_EPOCH + remembered_for());
        let epochs = revocations.inner.epochs.read().unwrap();
        assert_eq!(epochs.by_user.keys().collect::<Vec<_>>(), ["new"]);
    }

    #[tokio::test]
    async fn a_stream_hears_of_its_revocation() {
        let revocations = Revocations::new();
        let token = claims("u1", 0);
        let waiting = {
            let (revocations, token) = (revocations.clone(), token.clone());
            tokio::spawn(async move { revocations.revoked(&token).await })
        };
        revocations.note("u2", 1, UNIX_EPOCH);
        revocations.note("u1", 1, UNIX_EPOCH);
        tokio::time::timeout(Duration::from_secs(5), waiting)
            .await
            .unwrap()
            .unwrap();
    }
}
