//! The keys tokens are verified with: learnt from the users service, kept, and learnt again when a new one turns up.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use outcry_mesh::refusal;
use outcry_mesh::token::{Claims, PublicKey, TokenError, Verifier};
use tokio::sync::{Mutex, MutexGuard};
use tonic::{Code, Status};

/// Keys older than this are asked for again, so that a withdrawn one stops counting. Until the
/// users service answers, the old ones count on.
const AGE_MAX: Duration = Duration::from_secs(300);
/// Wait between two fetches: tokens that name invented keys cause no more than one in this time.
const COOLDOWN: Duration = Duration::from_secs(10);
/// The same after a failed fetch: the users service may only be starting.
const FAILED_COOLDOWN: Duration = Duration::from_millis(250);

/// How long a fetch may take: whoever brings a new key waits for it.
const FETCH_WITHIN: Duration = Duration::from_secs(2);

/// Asks the users service for its keys.
pub(crate) type Fetch =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<PublicKey>, Status>> + Send + Sync>;

/// The known keys. Cheap to clone; all clones share them.
#[derive(Clone)]
pub(crate) struct Keys {
    inner: Arc<Inner>,
}

struct Inner {
    fetch: Fetch,
    known: RwLock<Option<Arc<Known>>>,
    /// Held while fetching; what keeps the next fetch waiting.
    fetching: Mutex<Option<Cooldown>>,
}

/// No fetch from a moment on, for a time.
#[derive(Debug, Clone, Copy)]
struct Cooldown {
    from: SystemTime,
    lasts: Duration,
}

struct Known {
    verifier: Verifier,
    keys: Vec<PublicKey>,
    fetched: SystemTime,
}

impl Keys {
    pub(crate) fn new(fetch: Fetch) -> Keys {
        Keys {
            inner: Arc::new(Inner {
                fetch,
                known: RwLock::default(),
                fetching: Mutex::default(),
            }),
        }
    }

    /// The claims of a token that counts at `now`.
    pub(crate) async fn verify(&self, token: &str, now: SystemTime) -> Result<Claims, Status> {
        let known = self.current(now).await?;
        let verified = match known.verifier.verify(token, now) {
            Err(TokenError::UnknownKey) => match self.fetch_after(Some(&known), now).await {
                Ok(newer) => newer.verifier.verify(token, now),
                Err(_still_the_same) => Err(TokenError::UnknownKey),
            },
            verified => verified,
        };
        verified.map_err(|error| refused(&error))
    }

    /// The known keys, for publishing.
    pub(crate) async fn published(&self, now: SystemTime) -> Result<Vec<PublicKey>, Status> {
        Ok(self.current(now).await?.keys.clone())
    }

    /// The known keys, fetched when there are none or they are old.
    async fn current(&self, now: SystemTime) -> Result<Arc<Known>, Status> {
        match self.known() {
            Some(known) if is_within(known.fetched, AGE_MAX, now) => Ok(known),
            // One caller fetches; all others go on with what there is.
            Some(known) => match self.inner.fetching.try_lock() {
                Ok(turn) => Ok(self.fetch(turn, Some(&known), now).await.unwrap_or(known)),
                Err(_being_fetched) => Ok(known),
            },
            None => self.fetch_after(None, now).await,
        }
    }

    /// Fetches keys newer than `seen`, unless somebody else just did or it is too early.
    async fn fetch_after(
        &self,
        seen: Option<&Arc<Known>>,
        now: SystemTime,
    ) -> Result<Arc<Known>, Status> {
        let turn = self.inner.fetching.lock().await;
        self.fetch(turn, seen, now).await
    }

    async fn fetch(
        &self,
        mut cooldown: MutexGuard<'_, Option<Cooldown>>,
        seen: Option<&Arc<Known>>,
        now: SystemTime,
    ) -> Result<Arc<Known>, Status> {
        if let Some(known) = self.known()
            && seen.is_none_or(|seen| !Arc::ptr_eq(seen, &known))
        {
            return Ok(known);
        }
        if cooldown.is_some_and(|cooldown| is_within(cooldown.from, cooldown.lasts, now)) {
            return Err(unavailable());
        }
        let fetched = tokio::time::timeout(FETCH_WITHIN, (self.inner.fetch)()).await;
        match fetched.unwrap_or_else(|_elapsed| Err(Status::deadline_exceeded("no answer in time")))
        {
            Ok(keys) => {
                *cooldown = Some(Cooldown {
                    from: now,
                    lasts: COOLDOWN,
                });
                let verifier = Verifier::new(&keys);
                let known = Arc::new(Known {
                    verifier,
                    keys,
                    fetched: now,
                });
                *self
                    .inner
                    .known
                    .write()
                    .unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
                Ok(known)
            }
            Err(status) => {
                *cooldown = Some(Cooldown {
                    from: now,
                    lasts: FAILED_COOLDOWN,
                });
                tracing::warn!(code = ?status.code(), message = status.message(), "fetching the signing keys failed");
                Err(unavailable())
            }
        }
    }

    fn known(&self) -> Option<Arc<Known>> {
        self.inner
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Whether `now` is less than `lasts` after `from`. A clock that was set back is after nothing.
fn is_within(from: SystemTime, lasts: Duration, now: SystemTime) -> bool {
    now.duration_since(from).is_ok_and(|since| since < lasts)
}

/// The status of a token that does not count.
pub(crate) fn refused(error: &TokenError) -> Status {
    use outcry_mesh::Refusal as _;
    let advice = match error {
        TokenError::Expired | TokenError::Revoked => "refresh it or sign in again",
        TokenError::NotYetValid => "check this machine's clock",
        _ => "sign in again",
    };
    refusal::with_reason(error.code(), error.reason(), format!("{error}; {advice}"))
}

fn unavailable() -> Status {
    refusal::retry_after(
        Code::Unavailable,
        "SIGNING_KEYS_UNAVAILABLE",
        "tokens cannot be verified right now: the users service does not answer",
        FAILED_COOLDOWN,
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::UNIX_EPOCH;

    use outcry_mesh::Role;
    use outcry_mesh::token::SigningKey;
    use uuid::Uuid;

    use super::*;

    type Answer = Arc<std::sync::Mutex<Result<Vec<PublicKey>, Status>>>;

    struct Rig {
        keys: Keys,
        answer: Answer,
        fetches: Arc<AtomicUsize>,
    }

    fn rig(first: Result<Vec<PublicKey>, Status>) -> Rig {
        let answer: Answer = Arc::new(std::sync::Mutex::new(first));
        let fetches = Arc::new(AtomicUsize::new(0));
        let (given, count) = (Arc::clone(&answer), Arc::clone(&fetches));
        let fetch: Fetch = Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            let answer = given.lock().unwrap().clone();
            Box::pin(async move { answer })
        });
        Rig {
            keys: Keys::new(fetch),
            answer,
            fetches,
        }
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn after(time: Duration) -> SystemTime {
        now() + time
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn token(key: &SigningKey) -> String {
        let lifetime = Duration::from_secs(900);
        key.sign(&Claims::new(
            "u1",
            &[Role::User],
            0,
            Uuid::nil(),
            now(),
            lifetime,
        ))
        .unwrap()
    }

    #[tokio::test]
    async fn a_rotated_key_is_learnt_when_it_turns_up() {
        let rig = rig(Ok(vec![key(1).public_key()]));
        rig.keys.verify(&token(&key(1)), now()).await.unwrap();
        *rig.answer.lock().unwrap() = Ok(vec![key(1).public_key(), key(2).public_key()]);
        let later = after(COOLDOWN);
        rig.keys.verify(&token(&key(2)), later).await.unwrap();
        assert_eq!(rig.fetches.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_hundred_invented_keys_cause_one_fetch() {
        let rig = rig(Ok(vec![key(1).public_key()]));
        for (now, fetches) in [(now(), 1), (after(COOLDOWN), 2)] {
            for seed in 2..102 {
                let refused = rig.keys.verify(&token(&key(seed)), now).await.unwrap_err();
                assert_eq!(refused.code(), Code::Unauthenticated);
            }
            assert_eq!(rig.fetches.load(Ordering::Relaxed), fetches);
        }
    }

    #[tokio::test]
    async fn known_keys_count_on_while_the_users_service_is_away() {
        let rig = rig(Err(Status::unavailable("starting")));
        let early = rig.keys.verify(&token(&key(1)), now()).await.unwrap_err();
        assert_eq!(early.code(), Code::Unavailable);
        *rig.answer.lock().unwrap() = Ok(vec![key(1).public_key()]);
        let started = after(FAILED_COOLDOWN);
        rig.keys.verify(&token(&key(1)), started).await.unwrap();
        *rig.answer.lock().unwrap() = Err(Status::unavailable("gone"));
        let later = after(AGE_MAX * 2);
        rig.keys.verify(&token(&key(1)), later).await.unwrap();
        let published = rig.keys.published(later).await.unwrap();
        assert_eq!(published, [key(1).public_key()]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_users_service_that_hangs_holds_up_one_caller_and_not_for_long() {
        let rig = rig(Ok(vec![key(1).public_key()]));
        let token = token(&key(1));
        rig.keys.verify(&token, now()).await.unwrap();
        let keys = Keys {
            inner: Arc::new(Inner {
                fetch: Arc::new(|| Box::pin(std::future::pending())),
                known: RwLock::new(rig.keys.known()),
                fetching: Mutex::default(),
            }),
        };
        let later = after(AGE_MAX);
        let began = tokio::time::Instant::now();
        let (first, second) = tokio::join!(keys.verify(&token, later), async {
            let verified = keys.verify(&token, later).await;
            (verified, began.elapsed())
        });
        first.unwrap();
        second.0.unwrap();
        assert_eq!(second.1, Duration::ZERO);
        assert!(began.elapsed() <= FETCH_WITHIN + Duration::from_millis(1));
    }

    #[tokio::test]
    async fn a_withdrawn_key_stops_counting_and_counts_again_when_it_comes_back() {
        let rig = rig(Ok(vec![key(1).public_key()]));
        rig.keys.verify(&token(&key(1)), now()).await.unwrap();
        *rig.answer.lock().unwrap() = Ok(vec![key(2).public_key()]);
        let later = after(AGE_MAX);
        let refused = rig.keys.verify(&token(&key(1)), later).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        *rig.answer.lock().unwrap() = Ok(vec![key(1).public_key()]);
        let back = later + COOLDOWN;
        rig.keys.verify(&token(&key(1)), back).await.unwrap();
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_neither_keeps_old_keys_nor_stops_learning() {
        let rig = rig(Ok(vec![key(1).public_key()]));
        rig.keys.verify(&token(&key(1)), now()).await.unwrap();
        *rig.answer.lock().unwrap() = Ok(vec![key(2).public_key()]);
        let earlier = now() - Duration::from_secs(30);
        let refused = rig.keys.verify(&token(&key(1)), earlier).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert_eq!(rig.fetches.load(Ordering::Relaxed), 2);
    }
}
