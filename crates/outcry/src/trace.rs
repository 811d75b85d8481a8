//! `outcry trace`: one flow as a tree of causes.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use outcry_contracts::eventlog::v1::event_log_service_client::EventLogServiceClient;
use outcry_contracts::eventlog::v1::{LoggedEvent, TraceRequest};
use outcry_contracts::events::v1::EventEnvelope;
use outcry_events::json::{self, Personal};
use serde_json::{Value, json};

use crate::arguments::Trace;
use crate::output::Output;
use crate::{session, text};

/// `outcry trace …`
///
/// # Errors
/// The platform cannot be reached, or knows no such flow.
pub async fn run(trace: Trace, out: Output) -> anyhow::Result<()> {
    let channel = session::open(&trace.target).await?;
    let request = TraceRequest {
        correlation_id: trace.correlation_id.to_string(),
    };
    let reply = EventLogServiceClient::new(channel)
        .trace(request)
        .await
        .context("asking for the flow")?;
    let events = reply.into_inner().events;
    if events.is_empty() {
        bail!(
            "no event of flow {} is known; an order shows its correlation id, and `outcry events \
             tail` prints one on every line",
            trace.correlation_id
        );
    }
    let tree = Tree::of(&events);
    if out.is_json() {
        return out.document(&tree.json());
    }
    out.line(format_args!("flow {}", trace.correlation_id))?;
    out.text(&tree.lines())
}

/// Events under their causes.
struct Tree<'a> {
    events: Vec<&'a EventEnvelope>,
    /// Indexes of the events caused by each event; of those whose cause is outside, under none.
    children: BTreeMap<Option<usize>, Vec<usize>>,
}

// === impl Tree ===

impl<'a> Tree<'a> {
    /// The tree of a flow's events, given in the order they were archived.
    fn of(logged: &'a [LoggedEvent]) -> Self {
        let events: Vec<&EventEnvelope> = logged
            .iter()
            .filter_map(|logged| logged.event.as_ref())
            .collect();
        let places: BTreeMap<&str, usize> = events
            .iter()
            .enumerate()
            .map(|(place, event)| (event.event_id.as_str(), place))
            .collect();
        let mut children: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        for (place, event) in events.iter().enumerate() {
            let parent = places.get(event.causation_id.as_str()).copied();
            children.entry(parent).or_default().push(place);
        }
        for siblings in children.values_mut() {
            siblings.sort_by_key(|place| {
                let at = events[*place].occurred_at;
                (at.map(|at| (at.seconds, at.nanos)), *place)
            });
        }
        Self { events, children }
    }

    fn of_parent(&self, parent: Option<usize>) -> &[usize] {
        self.children.get(&parent).map_or(&[], Vec::as_slice)
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        // Events to show next, the topmost last: their place, the indent of their line.
        let mut open: Vec<(usize, String, bool)> = self.begin(None, "");
        while let Some((place, indent, last)) = open.pop() {
            let event = self.events[place];
            let branch = if last { "└─ " } else { "├─ " };
            let at = text::time(event.occurred_at.as_ref());
            text.push_str(&format!(
                "{indent}{branch}{:<20} {at}  {}  {}\n",
                event.event_type,
                event.source.trim_start_matches('/'),
                event.aggregate_id
            ));
            let below = if last { "   " } else { "│  " };
            open.extend(self.begin(Some(place), &format!("{indent}{below}")));
        }
        text
    }

    /// The events under `parent`, the first one last.
    fn begin(&self, parent: Option<usize>, indent: &str) -> Vec<(usize, String, bool)> {
        let places = self.of_parent(parent);
        let last = places.len().saturating_sub(1);
        places
            .iter()
            .enumerate()
            .map(|(index, place)| (*place, indent.to_owned(), index == last))
            .rev()
            .collect()
    }

    /// The tree as JSON. Built from the leaves up: a cause is archived before its effects only if
    /// their services' relays happen to be in that order, so the order of places says nothing.
    fn json(&self) -> Value {
        let mut order: Vec<usize> = Vec::new();
        let mut open: Vec<usize> = self.of_parent(None).to_vec();
        while let Some(place) = open.pop() {
            order.push(place);
            open.extend(self.of_parent(Some(place)));
        }
        let mut done: BTreeMap<usize, Value> = BTreeMap::new();
        for place in order.into_iter().rev() {
            let causes: Vec<Value> = self
                .of_parent(Some(place))
                .iter()
                .filter_map(|child| done.remove(child))
                .collect();
            let event = self.events[place];
            let payload = event.payload.as_ref().map_or(Value::Null, |payload| {
                json::message(&payload.type_url, &payload.value, Personal::Hidden)
            });
            let node = json!({
                "eventId": event.event_id,
                "type": event.event_type,
                "source": event.source,
                "aggregateId": event.aggregate_id,
                "sequence": event.aggregate_sequence,
                "occurredAt": text::time(event.occurred_at.as_ref()),
                "payload": payload,
                "causes": causes,
            });
            done.insert(place, node);
        }
        let roots: Vec<Value> = self
            .of_parent(None)
            .iter()
            .filter_map(|root| done.remove(root))
            .collect();
        Value::Array(roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, cause: &str, seconds: i64) -> LoggedEvent {
        LoggedEvent {
            position: 1,
            event: Some(EventEnvelope {
                event_id: id.to_owned(),
                causation_id: cause.to_owned(),
                event_type: format!("test.{id}"),
                occurred_at: Some(prost_types::Timestamp { seconds, nanos: 0 }),
                ..EventEnvelope::default()
            }),
        }
    }

    #[test]
    fn effects_stand_under_their_causes_whatever_order_they_came_in() {
        let events = [
            event("d", "b", 4),
            event("b", "a", 2),
            event("c", "a", 3),
            event("a", "command", 1),
        ];
        let lines = Tree::of(&events).lines();
        let shape: Vec<String> = lines
            .lines()
            .map(|line| line.split("  ").next().unwrap_or_default().to_owned())
            .collect();
        assert!(lines.starts_with("└─ test.a"), "{lines}");
        assert_eq!(shape.len(), 4);
        let order: Vec<usize> = ["test.a", "test.b", "test.d", "test.c"]
            .iter()
            .map(|name| lines.find(name).unwrap())
            .collect();
        assert!(order.is_sorted(), "{lines}");
    }

    #[test]
    fn the_json_tree_holds_every_event_once() {
        let events = [event("b", "a", 2), event("a", "", 1), event("c", "b", 3)];
        let json = Tree::of(&events).json();
        assert_eq!(json[0]["eventId"], "a");
        assert_eq!(json[0]["causes"][0]["eventId"], "b");
        assert_eq!(json[0]["causes"][0]["causes"][0]["eventId"], "c");
    }
}
