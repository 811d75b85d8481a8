//! What one replica does with the calls it takes, and what it remembers of them.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use outcry_mesh::deadline::parse_timeout;
use tokio::sync::Semaphore;
use tonic::{Code, Request, Status};

use super::service::{Ask, Client, Items, Method, Told};

/// Time between two items of a stream.
const ITEM_EVERY: Duration = Duration::from_millis(5);

/// What a replica does.
#[derive(Default)]
pub struct Desk {
    /// Time each call takes.
    delay: Duration,
    /// What it calls before it answers.
    next: Option<Client>,
    /// Calls worked on at once, where there is a bound; others wait.
    places: Option<Semaphore>,
    /// What all calls fail with; 0 for none.
    failure: AtomicI32,
    /// Calls that came.
    arrived: AtomicUsize,
    /// Number of this hop of a chain, and what is noted of it.
    notes: Option<(usize, Notes)>,
}

/// What is noted of the calls of a chain.
#[derive(Clone, Default)]
pub struct Notes {
    all: Arc<Mutex<Vec<Note>>>,
}

/// One call at one hop.
#[derive(Debug, Clone)]
pub struct Note {
    /// Number of the hop, from 1.
    pub hop: usize,
    /// The time it was given.
    pub budget: Option<Duration>,
    /// When its handler, or its stream, was gone.
    pub gone: Option<Instant>,
}

// === impl Desk ===

impl Desk {
    /// A replica that answers at once.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// One that takes some time for each call.
    pub fn slow(delay: Duration) -> Arc<Self> {
        Arc::new(Self {
            delay,
            ..Self::default()
        })
    }

    /// One that works on so many calls at once, for so long on each.
    pub fn bounded(places: usize, delay: Duration) -> Arc<Self> {
        Arc::new(Self {
            delay,
            places: Some(Semaphore::new(places)),
            ..Self::default()
        })
    }

    /// One that asks the next one of a chain.
    pub fn between(next: Client, notes: Option<(usize, Notes)>) -> Arc<Self> {
        Arc::new(Self {
            next: Some(next),
            notes,
            ..Self::default()
        })
    }

    /// The last one of a chain.
    pub fn last(delay: Duration, hop: usize, notes: Notes) -> Arc<Self> {
        Arc::new(Self {
            delay,
            notes: Some((hop, notes)),
            ..Self::default()
        })
    }

    /// Fails all calls from now on; with [`Code::Ok`] none.
    pub fn fail(&self, code: Code) {
        self.failure.store(code as i32, Ordering::Relaxed);
    }

    /// Calls that came so far.
    pub fn arrived(&self) -> usize {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Answers a unary call.
    pub async fn answer(&self, method: Method, request: Request<Ask>) -> Result<Told, Status> {
        let _noted = self.begin(&request);
        self.check()?;
        let ask = request.into_inner();
        if let Some(next) = &self.next {
            return next.call(method, Request::new(ask)).await;
        }
        let _place = match &self.places {
            Some(places) => places.acquire().await.ok(),
            None => None,
        };
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        Ok(Told {
            position: ask.position,
            text: ask.text,
        })
    }

    /// Answers with items that never end.
    pub async fn watch(&self, request: Request<Ask>) -> Result<Items, Status> {
        let noted = self.begin(&request);
        self.check()?;
        let ask = request.into_inner();
        let items = match &self.next {
            Some(next) => next.watch(Request::new(ask)).await?,
            None => items_from(ask.position),
        };
        Ok(Box::pin(items.inspect(move |_| {
            // The note lives as long as the stream.
            let _held = &noted;
        })))
    }

    fn begin(&self, request: &Request<Ask>) -> Option<Noted> {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let budget = parse_timeout(request.metadata().as_ref());
        let (hop, notes) = self.notes.as_ref()?;
        Some(notes.begin(*hop, budget))
    }

    fn check(&self) -> Result<(), Status> {
        match Code::from_i32(self.failure.load(Ordering::Relaxed)) {
            Code::Ok => Ok(()),
            code => Err(Status::new(code, "as asked")),
        }
    }
}

// === impl Notes ===

impl Notes {
    /// All that was noted, in the order in which calls came.
    pub fn all(&self) -> Vec<Note> {
        self.locked().clone()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.locked().clear();
    }

    fn begin(&self, hop: usize, budget: Option<Duration>) -> Noted {
        let mut all = self.locked();
        all.push(Note {
            hop,
            budget,
            gone: None,
        });
        Noted {
            notes: self.clone(),
            index: all.len() - 1,
        }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Note>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that goes on.
struct Noted {
    notes: Notes,
    index: usize,
}

impl Drop for Noted {
    fn drop(&mut self) {
        if let Some(note) = self.notes.locked().get_mut(self.index) {
            note.gone = Some(Instant::now());
        }
    }
}

/// Items from a position on, evenly in time.
fn items_from(position: u64) -> Items {
    let items = futures::stream::unfold(position, |position| async move {
        tokio::time::sleep(ITEM_EVERY).await;
        let told = Told {
            position,
            text: String::new(),
        };
        Some((Ok(told), position + 1))
    });
    Box::pin(items)
}
