//! `outcry events`: events as they happen, or all there were.

use std::fs::File;
use std::io::{BufWriter, Write as _};

use anyhow::Context as _;
use outcry_contracts::eventlog::v1::event_log_service_client::EventLogServiceClient;
use outcry_contracts::eventlog::v1::{LoggedEvent, SubscribeRequest};
use outcry_events::json::{self, Personal};
use prost::Message as _;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::arguments::{Events, Export, Tail, Target};
use crate::output::Output;
use crate::{session, text};

/// Tries to go on with a stream that broke without bringing anything new.
const BROKEN_MAX: u32 = 5;

/// `outcry events …`
///
/// # Errors
/// The platform cannot be reached or refuses.
pub async fn run(events: Events, out: Output) -> anyhow::Result<()> {
    match events {
        Events::Tail(tail) => follow(tail, out).await,
        Events::Export(export) => write_all(export, out).await,
    }
}

async fn follow(tail: Tail, out: Output) -> anyhow::Result<()> {
    let request = SubscribeRequest {
        topics: tail.topics,
        after_position: tail.from.unwrap_or(0),
        from_now: tail.from.is_none(),
        partition_key: tail.key.unwrap_or_default(),
        stop_at_end: false,
    };
    let mut left = tail.limit.unwrap_or(u64::MAX);
    read(&tail.target, request, |logged| {
        if left == 0 {
            return Ok(false);
        }
        left -= 1;
        if out.is_json() {
            out.object(&as_json(logged))?;
        } else {
            out.line(line(logged))?;
        }
        Ok(left > 0)
    })
    .await
}

async fn write_all(export: Export, out: Output) -> anyhow::Result<()> {
    let request = SubscribeRequest {
        stop_at_end: true,
        ..SubscribeRequest::default()
    };
    let Some(path) = &export.out else {
        return read(&export.target, request, |logged| {
            out.object(&as_json(logged))?;
            Ok(true)
        })
        .await;
    };
    let writing = || format!("writing {}; name another file with --out", path.display());
    let mut file = BufWriter::new(File::create(path).with_context(writing)?);
    let counting = out.counting("events written");
    read(&export.target, request, |logged| {
        writeln!(file, "{}", as_json(logged)).with_context(writing)?;
        counting.inc(1);
        Ok(true)
    })
    .await?;
    file.flush().with_context(writing)?;
    counting.finish_and_clear();
    let events = counting.position();
    if out.is_json() {
        return out.document(&json!({ "file": path, "events": events }));
    }
    out.line(format_args!("wrote {events} events to {}", path.display()))
}

/// Reads a subscription to its end. A stream that breaks off (a restart, a token at its end) goes
/// on behind the last event seen; `each` says whether to go on at all.
async fn read(
    target: &Target,
    mut request: SubscribeRequest,
    mut each: impl FnMut(&LoggedEvent) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let mut broken = 0;
    loop {
        let channel = session::open(target).await?;
        let mut client = EventLogServiceClient::new(channel);
        let mut stream = client
            .subscribe(request.clone())
            .await
            .context("subscribing")?
            .into_inner();
        let end = loop {
            match stream.message().await {
                Ok(Some(reply)) => {
                    let Some(logged) = reply.logged else { continue };
                    broken = 0;
                    request.after_position = logged.position;
                    request.from_now = false;
                    if !each(&logged)? {
                        return Ok(());
                    }
                }
                Ok(None) => return Ok(()),
                Err(status) => break status,
            }
        };
        broken += 1;
        if broken > BROKEN_MAX || !worth_another(&end) {
            return Err(end)
                .context("the stream of events ended; `--from` goes on behind a position");
        }
    }
}

fn worth_another(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Unauthenticated | Code::Unknown | Code::ResourceExhausted
    )
}

/// One event as one JSON object.
pub fn as_json(logged: &LoggedEvent) -> Value {
    let event = logged.event.as_ref().map_or(Value::Null, |event| {
        json::bytes(&event.encode_to_vec(), Personal::Hidden)
    });
    json!({ "position": logged.position, "event": event })
}

/// One event as one line for people.
fn line(logged: &LoggedEvent) -> String {
    let Some(event) = &logged.event else {
        return format!("{:>8}  (no event)", logged.position);
    };
    let payload = event.payload.as_ref().map_or(Value::Null, |payload| {
        json::message(&payload.type_url, &payload.value, Personal::Hidden)
    });
    format!(
        "{:>8}  {}  {:<22} {}  {}",
        logged.position,
        text::time(event.occurred_at.as_ref()),
        event.event_type,
        event.correlation_id,
        summary(&payload)
    )
}

/// The fields of a payload on one line, without the type.
pub fn summary(payload: &Value) -> String {
    let Some(fields) = payload.as_object() else {
        return String::new();
    };
    let shown: Vec<String> = fields
        .iter()
        .filter(|(name, _)| *name != "@type")
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        })
        .collect();
    shown.join(" ")
}
