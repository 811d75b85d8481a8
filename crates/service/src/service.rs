//! A service as a value: what it serves, what it reacts to, what it does at a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::reaction::Reaction;
use crate::slots::Slots;
use crate::timer::TimerHandler;

/// Everything the runtime needs to run a service.
pub struct Service {
    /// Name of the service, as the contract's owner names have it.
    pub name: &'static str,
    /// Its gRPC methods. The runtime adds those for dead letters and for how it stands.
    pub routes: Routes,
    /// Its consumers.
    pub reactions: Vec<Arc<dyn Reaction>>,
    /// What it does when one of its timers is due.
    pub timers: Option<Arc<dyn TimerHandler>>,
    /// Its own slots, which its replicas share.
    pub slots: Vec<Arc<dyn Slots>>,
    /// Topics of the events it appends.
    pub emits: &'static [&'static str],
    /// What runs beside all that.
    pub tasks: Vec<Task>,
}

/// Work that runs as long as the service does, in every replica.
pub struct Task {
    /// Name in the log.
    pub name: &'static str,
    /// Makes the work. It ends soon after the token is cancelled; ending earlier is all right.
    pub work: Box<dyn FnOnce(CancellationToken) -> TaskFuture + Send>,
}

/// The work of a [`Task`].
pub type TaskFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

// === impl Service ===

impl Service {
    /// A service that does nothing yet.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            routes: Routes::default(),
            reactions: Vec::new(),
            timers: None,
            slots: Vec::new(),
            emits: &[],
            tasks: Vec::new(),
        }
    }

    /// With these gRPC methods.
    #[must_use]
    pub fn serves(mut self, routes: Routes) -> Self {
        self.routes = routes;
        self
    }

    /// With one more consumer.
    #[must_use]
    pub fn reacts(mut self, reaction: impl Reaction) -> Self {
        self.reactions.push(Arc::new(reaction));
        self
    }

    /// With a handler for its timers.
    #[must_use]
    pub fn fires(mut self, timers: impl TimerHandler) -> Self {
        self.timers = Some(Arc::new(timers));
        self
    }

    /// With one more pool of slots of its own.
    #[must_use]
    pub fn holds(mut self, slots: impl Slots) -> Self {
        self.slots.push(Arc::new(slots));
        self
    }

    /// With the topics of its events.
    #[must_use]
    pub fn emits(mut self, topics: &'static [&'static str]) -> Self {
        self.emits = topics;
        self
    }

    /// With one more task.
    #[must_use]
    pub fn runs<Work>(
        mut self,
        name: &'static str,
        work: impl FnOnce(CancellationToken) -> Work + Send + 'static,
    ) -> Self
    where
        Work: Future<Output = ()> + Send + 'static,
    {
        self.tasks.push(Task {
            name,
            work: Box::new(|stop| Box::pin(work(stop))),
        });
        self
    }
}
