//! A commit as the parameters of one call.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::failure::corrupt;
use super::text::stored;
use crate::commit::Commit;
use crate::error::StoreError;
use crate::lease::relay_slot;
use crate::parking::{Asked, ParkWrite, ParkedEvent, RedriveScope};
use crate::timer::{TimerWrite, nanos};
use crate::view::{Change, Expect, ViewWrite};

/// The call; it has as many parameters as [`Parts::params`] gives.
pub(super) fn call(schema: &str) -> String {
    let params: Vec<_> = (1..=PARAMS).map(|number| format!("${number}")).collect();
    format!("SELECT {schema}.commit_1({})", params.join(", "))
}

const PARAMS: usize = 33;

/// The name under which commits lock a partition key. Whoever holds the advisory lock
/// (`hashtext(schema)`, `hashtext(name)`) keeps commits with events of that key waiting.
#[must_use]
pub fn key_lock(partition_key: &str) -> String {
    format!("k/{}", stored(partition_key))
}

type Text<'a> = Cow<'a, str>;

/// The parts of a commit, column by column; null for what is not in it.
#[derive(Default)]
pub(super) struct Parts<'a> {
    fence_pool: Option<Text<'a>>,
    fence_slot: Option<i32>,
    fence_epoch: Option<i64>,
    locks: Vec<String>,
    alone: Vec<bool>,
    streams: Vec<Text<'a>>,
    expected: Vec<i64>,
    counts: Vec<i32>,
    event_keys: Vec<Text<'a>>,
    event_times: Vec<i64>,
    event_slots: Vec<i16>,
    event_bytes: Vec<&'a [u8]>,
    handled_group: Option<Text<'a>>,
    handled_event: Option<Uuid>,
    handled_key: Option<Text<'a>>,
    handled_at: Option<i64>,
    principal: Option<Text<'a>>,
    method: Option<Text<'a>>,
    request_id: Option<Text<'a>>,
    request_hash: Option<&'a [u8]>,
    response: Option<&'a [u8]>,
    answered_at: Option<i64>,
    /// The places in the commit of the rows below. They are written in the order of their keys, so
    /// that two commits never wait for each other; several writes of one row stay in their order.
    pub(super) view_places: Vec<usize>,
    views: Vec<&'a str>,
    view_keys: Vec<Text<'a>>,
    view_versions: Vec<Option<i64>>,
    view_orders: Vec<Option<String>>,
    view_bodies: Vec<Option<&'a [u8]>>,
    /// The places in the commit of the timers below, likewise.
    pub(super) timer_places: Vec<usize>,
    timers: Vec<Text<'a>>,
    timer_dues: Vec<Option<i64>>,
    timer_payloads: Vec<Option<&'a [u8]>>,
    parks: Vec<String>,
    park_bytes: Vec<Option<&'a [u8]>>,
    park_positions: Vec<i64>,
}

// === impl Parts ===

impl<'a> Parts<'a> {
    pub(super) fn of(commit: &'a Commit) -> Result<Self, StoreError> {
        let mut parts = Self::default();
        if let Some(fence) = &commit.fence {
            parts.fence_pool = Some(stored(&fence.pool));
            parts.fence_slot = Some(i32::try_from(fence.slot).unwrap_or(i32::MAX));
            parts.fence_epoch = Some(place(fence.epoch));
        }
        // Sorted by name, so that two commits never wait for each other.
        let mut locks: BTreeMap<String, bool> = BTreeMap::new();
        let mut lock = |name: String, alone: bool| *locks.entry(name).or_default() |= alone;
        for append in &commit.appends {
            let is_changed = !append.events.is_empty();
            lock(format!("s/{}", stored(&append.stream)), is_changed);
            parts.streams.push(stored(&append.stream));
            parts.expected.push(place(append.expected));
            // At most `COMMIT_EVENTS_MAX`, so it fits.
            let count = i32::try_from(append.events.len()).unwrap_or(i32::MAX);
            parts.counts.push(count);
            for event in &append.events {
                let recorded_at = event.recorded_at().unwrap_or(event.occurred_at());
                let slot = relay_slot(event.partition_key());
                lock(key_lock(event.partition_key()), true);
                parts.event_keys.push(stored(event.partition_key()));
                parts.event_times.push(time(recorded_at));
                parts
                    .event_slots
                    .push(i16::try_from(slot).unwrap_or_default());
                parts.event_bytes.push(event.bytes());
            }
        }
        parts.view_places = sorted(&commit.views, |write| (write.view, write.key.as_str()));
        for place in parts.view_places.clone() {
            parts.view(&commit.views[place])?;
        }
        parts.timer_places = sorted(&commit.timers, timer_id);
        for place in parts.timer_places.clone() {
            parts.timer(&commit.timers[place]);
        }
        for write in &commit.parked {
            if let Some((group, key)) = locked_key(write) {
                lock(parked_lock(group, key), true);
            }
            parts.park(write)?;
        }
        if let Some(handled) = &commit.handled {
            // A row of the key that is taken out is locked alone, whose key is not known here.
            let alone = !parts.park_positions.is_empty();
            lock(parked_lock(&handled.group, &handled.key), alone);
            parts.handled_group = Some(stored(&handled.group));
            parts.handled_event = Some(handled.event_id);
            parts.handled_key = Some(stored(&handled.key));
            parts.handled_at = Some(time(handled.at));
        }
        if let Some(answer) = &commit.answered {
            parts.principal = Some(stored(&answer.principal));
            parts.method = Some(stored(&answer.method));
            parts.request_id = Some(stored(&answer.request_id));
            parts.request_hash = Some(&answer.request_hash);
            parts.response = Some(&answer.response);
            parts.answered_at = Some(time(answer.at));
        }
        (parts.locks, parts.alone) = locks.into_iter().unzip();
        Ok(parts)
    }

    fn view(&mut self, write: &'a ViewWrite) -> Result<(), StoreError> {
        self.views.push(write.view);
        self.view_keys.push(stored(&write.key));
        self.view_versions.push(match write.expect {
            Expect::Any => None,
            Expect::Version(version) => Some(place(version)),
        });
        let (orders, body) = match &write.change {
            Change::Delete => (None, None),
            Change::Put { body, indexes } => {
                let mut orders: Vec<_> = indexes
                    .iter()
                    .map(|(name, sort_key)| (*name, stored(sort_key)))
                    .collect();
                orders.sort_unstable();
                orders.dedup();
                let orders =
                    serde_json::to_string(&orders).map_err(|source| StoreError::Encode {
                        view: write.view,
                        key: write.key.clone(),
                        source,
                    })?;
                (Some(orders), Some(body.as_slice()))
            }
        };
        self.view_orders.push(orders);
        self.view_bodies.push(body);
        Ok(())
    }

    fn timer(&mut self, write: &'a TimerWrite) {
        let (due, payload) = match write {
            TimerWrite::Set(timer) => (Some(timer.due), Some(timer.payload.as_slice())),
            TimerWrite::Fired { due, .. } => (Some(*due), None),
            TimerWrite::Clear { .. } => (None, None),
        };
        self.timers.push(stored(timer_id(write)));
        self.timer_dues.push(due.map(time));
        self.timer_payloads.push(payload);
    }

    fn park(&mut self, write: &'a ParkWrite) -> Result<(), StoreError> {
        let (fields, bytes) = match write {
            ParkWrite::Park(event) => (parked("park", event)?, Some(event.bytes.as_ref())),
            ParkWrite::ParkBehind(event) => {
                (parked("park_behind", event)?, Some(event.bytes.as_ref()))
            }
            ParkWrite::Unpark { position, at } => {
                let fields =
                    json!({"kind": "unpark", "position": place(*position), "at": time(*at)});
                (fields, None)
            }
            ParkWrite::FailedAgain {
                position,
                reason,
                attempts,
                at,
            } => {
                let fields = json!({
                    "kind": "failed_again", "position": place(*position),
                    "why": stored(reason), "attempts": attempts, "at": time(*at),
                });
                (fields, None)
            }
            ParkWrite::RequestRedrive(request) => {
                let (kind, position, key) = match &request.scope {
                    RedriveScope::Event(position) => ("redrive_event", place(*position), ""),
                    RedriveScope::Key(key) => ("redrive_key", 0, key.as_str()),
                    RedriveScope::Group => ("redrive_group", 0, ""),
                };
                let mut fields = asked(kind, &request.asked);
                fields["position"] = position.into();
                fields["group"] = stored(&request.group).into();
                fields["key"] = stored(key).into();
                fields["per_second"] = request.per_second.into();
                (fields, None)
            }
            ParkWrite::CancelRedrive {
                group,
                key,
                asked: who,
            } => {
                let mut fields = asked("cancel_redrive", who);
                fields["group"] = stored(group).into();
                fields["key"] = stored(key).into();
                (fields, None)
            }
            ParkWrite::Discard {
                position,
                asked: who,
            } => {
                let mut fields = asked("discard", who);
                fields["position"] = place(*position).into();
                (fields, None)
            }
        };
        let position = fields.get("position").and_then(Value::as_i64);
        self.park_positions
            .extend(position.filter(|position| *position > 0));
        self.parks.push(fields.to_string());
        self.park_bytes.push(bytes);
        Ok(())
    }

    /// In the order of the function's parameters.
    pub(super) fn params(&self) -> [&(dyn ToSql + Sync); PARAMS] {
        [
            &self.fence_pool,
            &self.fence_slot,
            &self.fence_epoch,
            &self.locks,
            &self.alone,
            &self.streams,
            &self.expected,
            &self.counts,
            &self.event_keys,
            &self.event_times,
            &self.event_slots,
            &self.event_bytes,
            &self.handled_group,
            &self.handled_event,
            &self.handled_key,
            &self.handled_at,
            &self.principal,
            &self.method,
            &self.request_id,
            &self.request_hash,
            &self.response,
            &self.answered_at,
            &self.views,
            &self.view_keys,
            &self.view_versions,
            &self.view_orders,
            &self.view_bodies,
            &self.timers,
            &self.timer_dues,
            &self.timer_payloads,
            &self.parks,
            &self.park_bytes,
            &self.park_positions,
        ]
    }
}

/// The places of some writes in the order of what they are about.
fn sorted<'a, T, K: Ord>(writes: &'a [T], about: impl Fn(&'a T) -> K) -> Vec<usize> {
    let mut places: Vec<_> = (0..writes.len()).collect();
    places.sort_by_key(|place| about(&writes[*place]));
    places
}

fn timer_id(write: &TimerWrite) -> &str {
    match write {
        TimerWrite::Set(timer) => &timer.id,
        TimerWrite::Fired { id, .. } | TimerWrite::Clear { id } => id,
    }
}

/// The key a write is about, where it says so; otherwise it names a row, whose key the database
/// looks up.
fn locked_key(write: &ParkWrite) -> Option<(&str, &str)> {
    match write {
        ParkWrite::Park(event) | ParkWrite::ParkBehind(event) => Some((&event.group, &event.key)),
        ParkWrite::CancelRedrive { group, key, .. } => Some((group, key)),
        ParkWrite::RequestRedrive(request) => match &request.scope {
            RedriveScope::Key(key) => Some((&request.group, key)),
            // All rows of a group are locked one by one.
            RedriveScope::Event(_) | RedriveScope::Group => None,
        },
        ParkWrite::Unpark { .. } | ParkWrite::FailedAgain { .. } | ParkWrite::Discard { .. } => {
            None
        }
    }
}

fn parked_lock(group: &str, key: &str) -> String {
    format!("p/{}/{}", stored(group), stored(key))
}

fn parked(kind: &str, event: &ParkedEvent) -> Result<Value, StoreError> {
    let headers = serde_json::to_string(&event.headers)
        .map_err(|error| corrupt("the headers of an event to be parked", error))?;
    Ok(json!({
        "kind": kind, "group": stored(&event.group), "key": stored(&event.key),
        "event": event.event_id.to_string(), "topic": stored(&event.topic), "headers": headers,
        "why": stored(&event.reason), "attempts": event.attempts, "at": time(event.parked_at),
    }))
}

fn asked(kind: &str, asked: &Asked) -> Value {
    json!({
        "kind": kind, "by": stored(&asked.by), "why": stored(&asked.why), "at": time(asked.at),
    })
}

/// A position, sequence or version as the database has numbers; beyond its largest there is
/// nothing anyway.
pub(super) fn place(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A time as it is kept; whatever is later than that is as late as can be.
pub(super) fn time(at: std::time::SystemTime) -> i64 {
    nanos(at).unwrap_or(i64::MAX)
}
