//! Whose outbox it is: how its relay and its writer are started, and what its messages say.

use anyhow::Context as _;
use outcry_events::SealedEvent;
use serde::Deserialize;

use super::place::Place;
use crate::ours::event::id_of;
use crate::peer::{BODY_BYTES, Options, Peer, Program};
use crate::peers::{Language, Peers};
use crate::queue::{EXCHANGE, Heard, micros};

/// Whose outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The platform's own.
    Outcry,
    /// A library in Rust.
    Hexeract,
    /// Its SQL publisher and its forwarder, in Go.
    Watermill,
    /// Its registry of publications, in Java.
    Modulith,
}

/// An outbox that takes part.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Whose.
    pub kind: Kind,
    program: Program,
}

/// What is written.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Messages.
    pub count: usize,
    /// Commits a second; 0 is as fast as the writer's connections go.
    pub rate: u32,
    /// Keys they are spread over.
    pub keys: u32,
}

/// What a message says of itself.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Sent {
    /// Its place among all that were written, from 0.
    pub id: u64,
    /// Its key.
    pub key: u64,
    /// When it was about to be committed, in microseconds since 1970.
    pub at: u64,
}

// === impl Kind ===

impl Kind {
    /// All of them, Outcry first.
    pub const ALL: [Self; 4] = [
        Self::Outcry,
        Self::Hexeract,
        Self::Watermill,
        Self::Modulith,
    ];

    /// What the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outcry => "Outcry",
            Self::Hexeract => "hexeract",
            Self::Watermill => "Watermill",
            Self::Modulith => "Spring Modulith",
        }
    }

    /// In names of databases and virtual hosts.
    pub fn label(self) -> &'static str {
        match self {
            Self::Outcry => "outcry",
            Self::Hexeract => "hexeract",
            Self::Watermill => "watermill",
            Self::Modulith => "modulith",
        }
    }

    /// Whether its relay is a process of its own.
    pub fn has_relay(self) -> bool {
        self != Self::Modulith
    }

    fn language(self) -> Option<Language> {
        match self {
            Self::Outcry => None,
            Self::Hexeract => Some(Language::Rust),
            Self::Watermill => Some(Language::Go),
            Self::Modulith => Some(Language::Java),
        }
    }
}

// === impl Subject ===

impl Subject {
    /// One that can take part, or why it cannot.
    pub fn of(kind: Kind, peers: &Peers) -> anyhow::Result<Self> {
        let program = match kind.language() {
            None => Program::ours()?,
            Some(language) => {
                let program = peers.program(language);
                program.map_err(|why| anyhow::anyhow!("{why}"))?.clone()
            }
        };
        Ok(Self { kind, program })
    }

    /// Starts a relay, set for low latency as the library's documentation has it.
    pub async fn relay(&self, place: &Place) -> anyhow::Result<Peer> {
        let mut options = vec![
            ("amqp", place.amqp.clone()),
            ("postgres", place.postgres.clone()),
        ];
        let job = match self.kind {
            Kind::Outcry => "outbox-relay",
            Kind::Hexeract => {
                // Its production checklist: 20 to 50 ms, and two workers above 100 events a second.
                options.push(("poll-ms", "20".to_owned()));
                options.push(("workers", "2".to_owned()));
                "hexeract-outbox-relay"
            }
            Kind::Watermill => {
                options.push(("poll-interval", "10ms".to_owned()));
                "watermill-outbox-relay"
            }
            Kind::Modulith => anyhow::bail!("its relay is part of the writer"),
        };
        if self.kind != Kind::Outcry {
            options.push(("exchange", EXCHANGE.to_owned()));
        }
        let started = Peer::start(&self.program, job, &options).await;
        started.with_context(|| format!("the relay of {}", self.kind.name()))
    }

    /// Starts a writer; of Spring Modulith it is the relay, too.
    pub async fn writer(&self, place: &Place, load: Load) -> anyhow::Result<Peer> {
        let mut options: Options = vec![
            ("postgres", place.postgres.clone()),
            ("count", load.count.to_string()),
            ("rate", load.rate.to_string()),
            ("body-bytes", BODY_BYTES.to_string()),
            ("keys", load.keys.to_string()),
        ];
        let job = match self.kind {
            Kind::Outcry => "outbox-write",
            Kind::Hexeract => "hexeract-outbox-write",
            Kind::Watermill => "watermill-outbox-write",
            Kind::Modulith => {
                options.push(("amqp", place.amqp.clone()));
                options.push(("exchange", EXCHANGE.to_owned()));
                "modulith-outbox"
            }
        };
        let started = Peer::start(&self.program, job, &options).await;
        started.with_context(|| format!("the writer of {}", self.kind.name()))
    }

    /// Reads a message that has arrived.
    pub fn read(&self, heard: &Heard) -> anyhow::Result<Sent> {
        if self.kind != Kind::Outcry {
            let sent = serde_json::from_slice(&heard.body);
            return sent.with_context(|| String::from_utf8_lossy(&heard.body).into_owned());
        }
        let event = SealedEvent::open(heard.body.clone().into())?;
        let key = event.partition_key().trim_start_matches('S').parse()?;
        let at = event.recorded_at().context("an event without its time")?;
        Ok(Sent {
            id: id_of(&event)?,
            key,
            at: micros(at),
        })
    }
}
