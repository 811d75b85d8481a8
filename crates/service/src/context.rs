//! What every part of a running service is handed.

use std::sync::Arc;

use outcry_broker::CloudEvents;
use outcry_mesh::{CallRecorder, Channel, Directory};
use outcry_store::{Member, Store};

use crate::call_record::CallRecords;
use crate::clock::Clock;
use crate::key_lock::KeyLocks;
use crate::metrics::Metrics;
use crate::state_cache::StateCache;

/// A service's own store, the clock, and the way to the other services. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// Name of the service.
    pub service: &'static str,
    /// The service's own store; nobody else writes to it.
    pub store: Arc<dyn Store>,
    /// Time and ids.
    pub clock: Arc<dyn Clock>,
    /// The services that can be called.
    pub directory: Directory,
    /// This run of the service among its replicas. Who holds a slot is asked of the store
    /// ([`Store::holder`]), and is this run when the ids are the same.
    pub member: Member,
    /// In which dialects the service's messages repeat their CloudEvents attributes.
    pub cloud_events: CloudEvents,
    /// Where its calls are accounted for; none where they are not.
    records: Option<Arc<CallRecords>>,
    shared: Arc<Shared>,
}

/// What all clones of a context have in common.
#[derive(Default)]
struct Shared {
    states: StateCache,
    streams: KeyLocks,
    requests: KeyLocks,
    metrics: Metrics,
}

// === impl Context ===

impl Context {
    /// The context of `service`, as a new member with an id of its own. Clones are the same member,
    /// so a service runs once per context.
    pub fn new(
        service: &'static str,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        directory: Directory,
    ) -> Self {
        let member = Member {
            id: clock.new_id().to_string(),
            address: String::new(),
        };
        Self {
            service,
            store,
            clock,
            directory,
            member,
            cloud_events: CloudEvents::default(),
            records: None,
            shared: Arc::default(),
        }
    }

    /// The same with the address at which other replicas reach this one, as a URL. Comes before
    /// the service is made: it keeps clones.
    #[must_use]
    pub fn with_address(mut self, address: impl Into<String>) -> Self {
        self.member.address = address.into();
        self
    }

    /// The same with other dialects of CloudEvents. Comes before the service is made, too.
    #[must_use]
    pub fn with_cloud_events(mut self, dialects: CloudEvents) -> Self {
        self.cloud_events = dialects;
        self
    }

    /// The same with a record in the store of every denial and of every call that may change
    /// something. Comes before the service is made, too.
    #[must_use]
    pub fn recording_calls(mut self) -> Self {
        self.records = Some(CallRecords::new(Arc::clone(&self.clock)));
        self
    }

    /// What writes this service's calls down, for what it refuses before the mesh sees it.
    pub fn call_recorder(&self) -> Option<Arc<dyn CallRecorder>> {
        let records = self.records.clone();
        records.map(|records| records as Arc<dyn CallRecorder>)
    }

    /// The records until they are written.
    pub(crate) fn call_records(&self) -> Option<Arc<CallRecords>> {
        self.records.clone()
    }

    /// A channel to the service `target`, which sees this service as its caller.
    pub fn channel(&self, target: &'static str) -> Channel {
        self.directory.channel(self.service, target)
    }

    /// What this service has counted since it started.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Folded states by stream.
    pub(crate) fn states(&self) -> &StateCache {
        &self.shared.states
    }

    /// Whoever executes a command on a stream holds the stream's name meanwhile.
    pub(crate) fn streams(&self) -> &KeyLocks {
        &self.shared.streams
    }

    /// Whoever works on a request holds its id meanwhile.
    pub(crate) fn requests(&self) -> &KeyLocks {
        &self.shared.requests
    }
}
