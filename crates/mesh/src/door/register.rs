//! Who is in: the open connections of every door of a process, and how the others ended.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::time::Instant;

use super::course::Activity;
use super::traffic::Counts;
use crate::metrics::DoorMeter;

/// How a connection ended, or why it was never let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum End {
    /// Never let in: as many were open as may be.
    TooMany,
    /// Never let in: as many were open from its address as may be.
    TooManyOfAddress,
    /// The TLS handshake failed, or took too long.
    HandshakeFailed,
    /// It asked for nothing in time.
    FirstRequestLate,
    /// It did more than anybody needs: reset streams or sent frames without end.
    Flood,
    /// It was not used for too long.
    Idle,
    /// It was old.
    Aged,
    /// The process drained.
    Drained,
    /// It would not go.
    CutOff,
    /// It did not speak as it must, or broke.
    Broken,
    /// The peer closed it.
    Left,
}

impl End {
    /// All there are.
    pub(crate) const ALL: [End; 11] = [
        End::TooMany,
        End::TooManyOfAddress,
        End::HandshakeFailed,
        End::FirstRequestLate,
        End::Flood,
        End::Idle,
        End::Aged,
        End::Drained,
        End::CutOff,
        End::Broken,
        End::Left,
    ];

    /// Its name in counters.
    pub(crate) fn label(self) -> &'static str {
        match self {
            End::TooMany => "too_many",
            End::TooManyOfAddress => "too_many_of_address",
            End::HandshakeFailed => "handshake_failed",
            End::FirstRequestLate => "first_request_late",
            End::Flood => "flood",
            End::Idle => "idle",
            End::Aged => "aged",
            End::Drained => "drained",
            End::CutOff => "cut_off",
            End::Broken => "broken",
            End::Left => "left",
        }
    }
}

/// A door as it is at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct DoorView {
    /// `peers` or `public`.
    pub name: String,
    /// Where it listens, once it does.
    pub local: Option<SocketAddr>,
    /// Whether it speaks TLS.
    pub encrypted: bool,
    /// Connections let in so far.
    pub accepted: u64,
    /// Connections that ended or were never let in, by reason.
    pub ended: BTreeMap<String, u64>,
    /// Open connections, oldest first.
    pub connections: Vec<ConnectionView>,
}

/// An open connection as it is at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct ConnectionView {
    /// Unique among the connections of this process.
    pub id: u64,
    /// The other end.
    pub remote: SocketAddr,
    /// When it was accepted, in milliseconds since 1970.
    pub since_unix_ms: u64,
    /// Calls and streams in progress.
    pub streams_open: usize,
    /// Calls and streams begun so far.
    pub streams_started: u64,
    /// Streams the other end has reset.
    pub streams_reset: u64,
    /// Bytes received, TLS apart.
    pub bytes_in: u64,
    /// Bytes sent, TLS apart.
    pub bytes_out: u64,
}

/// All doors of one process.
#[derive(Debug, Default)]
pub(crate) struct Doors(Mutex<Vec<Weak<Register>>>);

impl Doors {
    pub(super) fn add(&self, register: &Arc<Register>) {
        let mut doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        doors.retain(|door| door.strong_count() > 0);
        doors.push(Arc::downgrade(register));
    }

    /// How they are now.
    pub(crate) fn views(&self) -> Vec<DoorView> {
        let doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let doors: Vec<_> = doors.iter().filter_map(Weak::upgrade).collect();
        doors.iter().map(|door| door.view()).collect()
    }
}

/// The connections of one door.
#[derive(Debug)]
pub(super) struct Register {
    name: &'static str,
    encrypted: bool,
    local: OnceLock<SocketAddr>,
    meter: DoorMeter,
    open: Mutex<BTreeMap<u64, Arc<Entry>>>,
    of_address: Mutex<HashMap<IpAddr, usize>>,
}

/// One open connection.
#[derive(Debug)]
pub(super) struct Entry {
    id: u64,
    remote: SocketAddr,
    accepted_at: SystemTime,
    calls: AtomicUsize,
    used: AtomicBool,
    started: AtomicU64,
    since: Mutex<Instant>,
    pub(super) counts: Arc<Counts>,
}

/// Holds a connection's entry until it ends.
#[derive(Debug)]
pub(super) struct Open {
    register: Arc<Register>,
    pub(super) entry: Arc<Entry>,
    end: End,
}

impl Register {
    pub(super) fn new(name: &'static str, encrypted: bool, meter: DoorMeter) -> Register {
        Register {
            name,
            encrypted,
            local: OnceLock::new(),
            meter,
            open: Mutex::default(),
            of_address: Mutex::default(),
        }
    }

    /// Notes where the door listens.
    pub(super) fn listens_at(&self, local: SocketAddr) {
        // A door is opened once.
        let _already = self.local.set(local);
    }

    /// Lets a connection in, if there is room.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn enter(
        self: &Arc<Register>,
        remote: SocketAddr,
        in_all: usize,
        of_address: usize,
    ) -> Result<Open, End> {
        let entered = self.room(remote.ip(), in_all, of_address);
        if let Err(end) = entered {
            self.meter.ended(end);
            return Err(end);
        }
        let entry = Arc::new(Entry::new(remote));
        self.open().insert(entry.id, Arc::clone(&entry));
        self.meter.accepted();
        Ok(Open {
            register: Arc::clone(self),
            entry,
            end: End::CutOff,
        })
    }

    fn room(&self, remote: IpAddr, in_all: usize, of_address: usize) -> Result<(), End> {
        if self.open().len() >= in_all {
            return Err(End::TooMany);
        }
        let mut counts = self.of_address();
        let count = counts.entry(origin(remote)).or_default();
        if *count >= of_address {
            return Err(End::TooManyOfAddress);
        }
        *count += 1;
        Ok(())
    }

    fn leave(&self, entry: &Entry, end: End) {
        self.open().remove(&entry.id);
        let origin = origin(entry.remote.ip());
        let mut counts = self.of_address();
        if let Some(count) = counts.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&origin);
            }
        }
        self.meter.left(end);
    }

    pub(super) fn view(&self) -> DoorView {
        let ended = self.meter.ends();
        DoorView {
            name: self.name.to_owned(),
            local: self.local.get().copied(),
            encrypted: self.encrypted,
            accepted: self.meter.accepted_so_far(),
            ended: ended
                .map(|(end, count)| (end.label().to_owned(), count))
                .collect(),
            connections: self.open().values().map(|entry| entry.view()).collect(),
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Entry>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.of_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Says how it ends; without it, it was cut off.
    pub(super) fn ends(&mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.register.leave(&self.entry, self.end);
    }
}

impl Entry {
    fn new(remote: SocketAddr) -> Entry {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Entry {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            remote,
            accepted_at: SystemTime::now(),
            calls: AtomicUsize::new(0),
            used: AtomicBool::new(false),
            started: AtomicU64::new(0),
            since: Mutex::new(Instant::now()),
            counts: Arc::default(),
        }
    }

    pub(super) fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// A call begins; it ends when what is returned is dropped.
    pub(super) fn begin(self: &Arc<Entry>) -> InCall {
        self.used.store(true, Ordering::Relaxed);
        self.started.fetch_add(1, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        InCall(Arc::clone(self))
    }

    pub(super) fn activity(&self) -> Activity {
        Activity {
            calls: self.calls.load(Ordering::Relaxed),
            used: self.used.load(Ordering::Relaxed),
            since: *self.since.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn view(&self) -> ConnectionView {
        let since = self.accepted_at.duration_since(UNIX_EPOCH);
        let since = since.unwrap_or_default().as_millis();
        ConnectionView {
            id: self.id,
            remote: self.remote,
            since_unix_ms: u64::try_from(since).unwrap_or(u64::MAX),
            streams_open: self.calls.load(Ordering::Relaxed),
            streams_started: self.started.load(Ordering::Relaxed),
            streams_reset: self.counts.resets.load(Ordering::Relaxed),
            bytes_in: self.counts.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.counts.bytes_out.load(Ordering::Relaxed),
        }
    }
}

/// One call in progress, until its response has been sent or given up.
#[derive(Debug)]
pub(super) struct InCall(Arc<Entry>);

impl Drop for InCall {
    fn drop(&mut self) {
        *self.0.since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What counts as one address: in IPv6 the network that one customer gets.
fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::MeshMetrics;

    fn register() -> Arc<Register> {
        let meter = MeshMetrics::default().door("public");
        Arc::new(Register::new("public", false, meter))
    }

    fn at(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 5000)
    }

    #[test]
    fn a_place_is_free_again_once_its_connection_has_ended() {
        let register = register();
        let (here, there) = (at("192.0.2.1"), at("192.0.2.2"));
        let mut first = register.enter(here, 2, 1).unwrap();
        assert_eq!(
            register.enter(here, 2, 1).unwrap_err(),
            End::TooManyOfAddress
        );
        let second = register.enter(there, 2, 1).unwrap();
        assert_eq!(
            register.enter(at("192.0.2.3"), 2, 1).unwrap_err(),
            End::TooMany
        );
        first.ends(End::Idle);
        drop(first);
        let third = register.enter(here, 2, 1).unwrap();
        let view = register.view();
        assert_eq!((view.accepted, view.connections.len()), (3, 2));
        drop((second, third));
        let view = register.view();
        let ended: Vec<_> = view
            .ended
            .iter()
            .map(|(end, n)| (end.as_str(), *n))
            .collect();
        assert_eq!(
            ended,
            [
                ("cut_off", 2),
                ("idle", 1),
                ("too_many", 1),
                ("too_many_of_address", 1)
            ]
        );
        assert!(view.connections.is_empty() && register.of_address().is_empty());
    }

    #[test]
    fn addresses_count_as_one_customer_has_them() {
        let same =
            |one: &str, other: &str| origin(one.parse().unwrap()) == origin(other.parse().unwrap());
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
    }

    #[test]
    fn a_call_counts_until_it_is_over() {
        let register = register();
        let open = register.enter(at("192.0.2.1"), 1, 1).unwrap();
        assert!(!open.entry.activity().used);
        let (one, two) = (open.entry.begin(), open.entry.begin());
        assert_eq!(open.entry.activity().calls, 2);
        drop((one, two));
        let view = &register.view().connections[0];
        assert_eq!((view.streams_open, view.streams_started), (0, 2));
        assert!(open.entry.activity().used);
    }
}
