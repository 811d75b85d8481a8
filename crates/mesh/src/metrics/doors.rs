//! Connections that others make to this process.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::{Count, Registry, Unit};
use crate::door::End;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Door {
    door: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    door: &'static str,
    reason: &'static str,
}

/// All instruments of doors.
#[derive(Debug, Default)]
pub(super) struct Doors {
    open: Family<Door, Gauge>,
    accepted: Family<Door, Count>,
    ended: Family<Ended, Count>,
    certificates_taken: Family<Door, Count>,
    certificates_refused: Family<Door, Count>,
    certificate_ends: Family<Door, Gauge>,
}

/// What a door's certificate counts.
#[derive(Debug)]
pub(crate) struct CertificateMeter {
    taken: Count,
    refused: Count,
    ends: Gauge,
}

/// What one door counts.
#[derive(Debug)]
pub(crate) struct DoorMeter {
    open: Gauge,
    accepted: Count,
    ended: [(End, Count); End::ALL.len()],
}

impl Doors {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "outcry_door_open_connections",
            "Connections at the moment",
            self.open.clone(),
        );
        registry.register(
            "outcry_door_connections_accepted",
            "Connections let in",
            self.accepted.clone(),
        );
        registry.register(
            "outcry_door_connections_ended",
            "Connections that ended or were never let in, by reason",
            self.ended.clone(),
        );
        registry.register(
            "outcry_door_certificates_taken",
            "Certificates taken into use, the first one included",
            self.certificates_taken.clone(),
        );
        registry.register(
            "outcry_door_certificates_refused",
            "Changed certificate files that were of no use, so that the old certificate stayed",
            self.certificates_refused.clone(),
        );
        registry.register_with_unit(
            "outcry_door_certificate_not_after_timestamp",
            "When the certificate in use ends, since 1970",
            Unit::Seconds,
            self.certificate_ends.clone(),
        );
    }

    /// What the certificate of `door` counts.
    pub(super) fn certificate(&self, door: &'static str) -> CertificateMeter {
        let label = Door { door };
        CertificateMeter {
            taken: self.certificates_taken.get_or_create(&label).clone(),
            refused: self.certificates_refused.get_or_create(&label).clone(),
            ends: self.certificate_ends.get_or_create(&label).clone(),
        }
    }

    /// What `door` counts.
    pub(super) fn door(&self, door: &'static str) -> DoorMeter {
        let label = Door { door };
        let open = self.open.get_or_create(&label).clone();
        let accepted = self.accepted.get_or_create(&label).clone();
        let ended = End::ALL.map(|end| {
            let reason = end.label();
            let count = self.ended.get_or_create(&Ended { door, reason }).clone();
            (end, count)
        });
        DoorMeter {
            open,
            accepted,
            ended,
        }
    }
}

impl CertificateMeter {
    /// A certificate is in use that ends at this moment, in seconds since 1970.
    pub(crate) fn taken(&self, not_after: i64) {
        self.taken.inc();
        self.ends.set(not_after);
    }

    /// Changed files were of no use.
    pub(crate) fn refused(&self) {
        self.refused.inc();
    }

    /// Taken and refused so far.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.taken.get(), self.refused.get())
    }
}

impl DoorMeter {
    /// A connection was let in.
    pub(crate) fn accepted(&self) {
        self.accepted.inc();
        self.open.inc();
    }

    /// A connection that was let in has ended.
    pub(crate) fn left(&self, end: End) {
        self.open.dec();
        self.ended(end);
    }

    /// A connection ended, let in or not.
    pub(crate) fn ended(&self, end: End) {
        if let Some((_, count)) = self.ended.iter().find(|(one, _)| *one == end) {
            count.inc();
        }
    }

    /// Connections let in so far.
    pub(crate) fn accepted_so_far(&self) -> u64 {
        self.accepted.get()
    }

    /// How many connections ended so far, by those reasons there were.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (End, u64)> {
        let counts = self.ended.iter().map(|(end, count)| (*end, count.get()));
        counts.filter(|(_, count)| *count > 0)
    }
}
