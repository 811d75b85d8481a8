//! The reports service: what happened in an account, and how it stood at any time.
//!
//! Owns: reports, a journal of its own with every event of a user's account, and the prices symbols
//! were settled at.
//! Consumes: `funds.*`, `order.*`, `trade.*`, `payment.*`, `user.created`, `user.updated`: their
//! original bytes are kept.
//! Emits: `report.requested.v2` (with a copy in version 1 beside it, until that one's last day),
//! `report.completed`, `report.failed`.
//!
//! - [`domain`]: the life of a report, pure
//! - [`journal`]: the events kept per user
//! - [`prices`]: what symbols were worth at any time
//! - [`content`]: from events to the bytes of a report, pure
//! - [`views`]: reports and their content as they are kept
//! - `reactions`: keeping events
//! - `making`: making a report when its timer is due
//! - `api`: gRPC
//!
//! Invariants:
//! 1. The journal holds each event once per user, under positions 1, 2, 3 … without a gap.
//! 2. A report's bytes follow from the user, the period, the time it is as of and the position up
//!    to which the journal was read – not from the order in which events arrived.
//! 3. Content, its hash and the event that tells of it are written in one commit.
//! 4. A report ends once: completed or failed. Later its content is forgotten, and it says so.

pub mod content;
pub mod domain;
pub mod journal;
pub mod prices;
pub mod views;

mod api;
mod making;
mod reactions;

use std::time::Duration;

use outcry_contracts::Event;
use outcry_contracts::reports::v1::report_service_server::ReportServiceServer;
use outcry_contracts::reports::v1::{ReportCompletedEvent, ReportFailedEvent};
use outcry_contracts::reports::v2::ReportRequestedEvent;
use outcry_contracts::users::v1::{UserCreatedEvent, UserUpdatedEvent};
use outcry_service::{Context, Service};
use serde::{Deserialize, Serialize};
use tonic::service::Routes;

use self::api::Api;
use self::making::Maker;
use self::reactions::Keeper;

/// Name of the service and of its consumer group.
pub const NAME: &str = "reports";

/// Topic patterns of the events it keeps.
pub const CONSUMES: &[&str] = &[
    "funds.*",
    "order.*",
    "trade.*",
    "payment.*",
    UserCreatedEvent::TOPIC,
    UserUpdatedEvent::TOPIC,
];

/// Topics of the events it appends.
pub const EMITS: &[&str] = &[
    ReportRequestedEvent::TOPIC,
    ReportCompletedEvent::TOPIC,
    ReportFailedEvent::TOPIC,
];

/// Lines of a report unless the configuration says less, and at most: its content, about half a
/// kilobyte a line, is held in memory and written in one commit.
pub const ROWS_MAX: usize = 20_000;

/// How long a report waits for events that happened before its time but are still on their way,
/// unless the configuration says otherwise, in milliseconds.
const SETTLE_USUAL_MS: u64 = 1_000;

/// The same at most: whoever asks for a report waits for it.
const SETTLE_MAX_MS: u64 = 60_000;

/// How many days content is kept unless the configuration says otherwise: a month is long enough to
/// fetch it, and it can be made again at any time.
const RETENTION_USUAL_DAYS: u32 = 30;

/// The same at most: about ten years.
const RETENTION_MAX_DAYS: u32 = 3_660;

/// Settings of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Lines a report may have; one with more fails. 1 to [`ROWS_MAX`].
    pub rows_max: usize,
    /// How long after the time it is as of a report is made, in milliseconds, so that events on
    /// their way are in it. At most a minute.
    pub settle_ms: u64,
    /// Days until the content of a finished report is forgotten. 1 to 3,660.
    pub retention_days: u32,
}

/// Why the service cannot work with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The bound of lines makes no sense.
    #[error("reports.rows_max must be from 1 to {ROWS_MAX}, not {0}")]
    RowsMax(usize),
    /// The wait is too long.
    #[error("reports.settle_ms must be at most {SETTLE_MAX_MS}, not {0}")]
    Settle(u64),
    /// Content would be kept too short or too long.
    #[error("reports.retention_days must be from 1 to {RETENTION_MAX_DAYS}, not {0}")]
    Retention(u32),
}

// === impl Config ===

impl Default for Config {
    fn default() -> Config {
        Config {
            rows_max: ROWS_MAX,
            settle_ms: SETTLE_USUAL_MS,
            retention_days: RETENTION_USUAL_DAYS,
        }
    }
}

impl Config {
    /// Whether the service can work with it.
    fn check(&self) -> Result<(), StartError> {
        if self.rows_max == 0 || self.rows_max > ROWS_MAX {
            return Err(StartError::RowsMax(self.rows_max));
        }
        if self.settle_ms > SETTLE_MAX_MS {
            return Err(StartError::Settle(self.settle_ms));
        }
        if self.retention_days == 0 || self.retention_days > RETENTION_MAX_DAYS {
            return Err(StartError::Retention(self.retention_days));
        }
        Ok(())
    }

    fn retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.retention_days) * 24 * 3_600)
    }

    fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms)
    }
}

/// The service.
///
/// # Errors
/// A setting is out of its range.
#[expect(
    clippy::unused_async,
    reason = "services are started alike, and others have to read before they can"
)]
pub async fn service(ctx: Context, config: Config) -> Result<Service, StartError> {
    config.check()?;
    let api = Api::new(ctx.clone(), config.settle());
    Ok(Service::new(NAME)
        .serves(Routes::new(ReportServiceServer::new(api)))
        .reacts(Keeper::new(ctx.clone()))
        .fires(Maker::new(ctx, config.rows_max, config.retention()))
        .emits(EMITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused_and_the_usual_ones_are_not() {
        assert_eq!(Config::default().check(), Ok(()));
        for rows_max in [0, ROWS_MAX + 1] {
            let config = Config {
                rows_max,
                ..Config::default()
            };
            assert_eq!(config.check(), Err(StartError::RowsMax(rows_max)));
        }
        let config = Config {
            settle_ms: SETTLE_MAX_MS + 1,
            ..Config::default()
        };
        assert!(matches!(config.check(), Err(StartError::Settle(_))));
        for retention_days in [0, RETENTION_MAX_DAYS + 1] {
            let config = Config {
                retention_days,
                ..Config::default()
            };
            assert_eq!(config.check(), Err(StartError::Retention(retention_days)));
        }
    }
}
