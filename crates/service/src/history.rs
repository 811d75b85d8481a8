//! An aggregate read from its stream.

use std::sync::Arc;

use outcry_events::{Cause, EventSet, SealedEvent};
use outcry_mesh::trace::TraceContext;
use outcry_store::StoreError;
use uuid::Uuid;

use crate::context::Context;
use crate::decider::{Decider, stream};

/// Events fetched from a stream at a time; a longer history takes several reads.
const READ_MAX: usize = 500;

/// An aggregate as its stream tells it.
#[derive(Clone, Debug)]
pub struct Loaded<D> {
    /// The folded state; `D::default()` when nothing has happened yet.
    pub state: D,
    /// Sequence of the last event; 0 when nothing has happened yet.
    pub sequence: u64,
    /// Id of the last event.
    pub last_event: Option<Uuid>,
    /// Correlation id of the first event: the flow the aggregate was born in.
    pub correlation_id: Option<Uuid>,
    /// Trace context of the first event.
    pub trace: Option<TraceContext>,
}

/// Why an aggregate cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store did not answer.
    #[error("reading stream {stream}")]
    Store {
        /// The stream.
        stream: String,
        /// What the store said.
        #[source]
        source: StoreError,
    },
    /// The stream holds an event this build does not know: a newer build wrote it.
    #[error("event {sequence} of stream {stream} cannot be read; is this an older build?")]
    Unreadable {
        /// The stream.
        stream: String,
        /// Place of the event.
        sequence: u64,
        /// What is wrong with it.
        #[source]
        source: outcry_events::PayloadError,
    },
    /// The stream has a hole, or the wrong events.
    #[error("stream {stream} is broken: event {found} stands where {expected} belongs")]
    Gap {
        /// The stream.
        stream: String,
        /// Sequence that should come next.
        expected: u64,
        /// Sequence that came.
        found: u64,
    },
}

/// Reads aggregate `id` and folds its events.
///
/// # Errors
/// [`LoadError`]; an aggregate without events is not an error.
pub async fn load<D: Decider>(ctx: &Context, id: &str) -> Result<Loaded<D>, LoadError> {
    let stream = stream::<D>(id);
    let known = ctx.states().get::<Loaded<D>>(&stream);
    let mut loaded = known.as_deref().cloned().unwrap_or_default();
    loop {
        let page = ctx
            .store
            .read_stream(&stream, loaded.sequence, READ_MAX)
            .await
            .map_err(|source| LoadError::Store {
                stream: stream.clone(),
                source,
            })?;
        let length = page.len();
        for stored in page {
            loaded = loaded.next(&stored.event)?;
        }
        if length < READ_MAX {
            break;
        }
    }
    if loaded.sequence > known.map_or(0, |known| known.sequence) {
        ctx.states().put(&stream, Arc::new(loaded.clone()));
    }
    Ok(loaded)
}

// === impl Loaded ===

impl<D: Decider> Default for Loaded<D> {
    fn default() -> Self {
        Self {
            state: D::default(),
            sequence: 0,
            last_event: None,
            correlation_id: None,
            trace: None,
        }
    }
}

impl<D: Decider> Loaded<D> {
    /// Whether nothing has happened yet.
    pub fn is_new(&self) -> bool {
        self.sequence == 0
    }

    /// The aggregate after its next event.
    fn next(self, event: &SealedEvent) -> Result<Self, LoadError> {
        let expected = self.sequence + 1;
        if event.sequence() != expected {
            return Err(LoadError::Gap {
                stream: event.stream(),
                expected,
                found: event.sequence(),
            });
        }
        let typed = D::Event::open(event).map_err(|source| LoadError::Unreadable {
            stream: event.stream(),
            sequence: event.sequence(),
            source,
        })?;
        Ok(Self {
            state: self.state.evolve(&typed),
            sequence: expected,
            last_event: Some(event.id()),
            correlation_id: self.correlation_id.or(Some(event.correlation_id())),
            trace: match self.sequence {
                0 => TraceContext::parse(&event.envelope().traceparent),
                _ => self.trace,
            },
        })
    }

    /// The same cause, told from inside this aggregate's own flow.
    ///
    /// What comes from another flow gets this flow's correlation id and trace and, as its parent, this
    /// aggregate's last event: so each flow stays one tree that starts at one command. Deciders
    /// with [`Decider::OWN_FLOW`] get this by themselves.
    pub fn own_flow(&self, cause: &Cause) -> Cause {
        match self.correlation_id {
            Some(own) if own != cause.correlation_id => Cause {
                correlation_id: own,
                causation_id: self.last_event,
                actor: cause.actor.clone(),
                traceparent: match self.trace {
                    Some(trace) => trace.to_string(),
                    None => cause.traceparent.clone(),
                },
            },
            _ => cause.clone(),
        }
    }
}
