//! `outcry dlq`: events that could not be handled.

use anyhow::Context as _;
use outcry_contracts::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use outcry_contracts::operations::v1::{
    DeadLetter, DeadLetterAction, DiscardDeadLetterRequest, GetDeadLetterRequest,
    ListDeadLetterAuditRequest, ListDeadLettersRequest, RedriveDeadLettersRequest,
};
use outcry_contracts::types::v1::PageRequest;
use outcry_events::json::Personal;
use serde_json::{Value, json};

use crate::arguments::{Dlq, DlqDiscard, DlqList, DlqRedrive, DlqShow, Target};
use crate::failure::Usage;
use crate::output::Output;
use crate::session::SignedChannel;
use crate::{session, text};

/// Rows asked for at a time.
const PAGE: i32 = 500;

/// Rows printed at most; more are a case for the filters.
const ROWS_MAX: usize = 10_000;

/// `outcry dlq …`
///
/// # Errors
/// The platform cannot be reached or refuses.
pub async fn run(dlq: Dlq, out: Output) -> anyhow::Result<()> {
    match dlq {
        Dlq::List(list) if list.audit => audit(list, out).await,
        Dlq::List(list) => listing(list, out).await,
        Dlq::Show(show) => one(show, out).await,
        Dlq::Redrive(redrive) => again(redrive, out).await,
        Dlq::Discard(discard) => give_up(discard, out).await,
    }
}

async fn client(target: &Target) -> anyhow::Result<DeadLetterServiceClient<SignedChannel>> {
    Ok(DeadLetterServiceClient::new(session::open(target).await?))
}

fn page(token: String) -> Option<PageRequest> {
    Some(PageRequest { size: PAGE, token })
}

async fn listing(list: DlqList, out: Output) -> anyhow::Result<()> {
    let mut client = client(&list.target).await?;
    let mut letters: Vec<DeadLetter> = Vec::new();
    let mut token = String::new();
    loop {
        let request = ListDeadLettersRequest {
            group: list.group.clone().unwrap_or_default(),
            key: list.key.clone().unwrap_or_default(),
            topic: list.topic.clone().unwrap_or_default(),
            page: page(token),
        };
        let reply = client
            .list_dead_letters(request)
            .await
            .context("listing parked events")?
            .into_inner();
        letters.extend(reply.dead_letters);
        token = reply.page.unwrap_or_default().next_token;
        if token.is_empty() || letters.len() >= ROWS_MAX {
            break;
        }
    }
    if out.is_json() {
        let rows: Vec<Value> = letters.iter().map(letter_json).collect();
        return out.document(&json!(rows));
    }
    if letters.is_empty() {
        return out.line("no dead letters");
    }
    let rows: Vec<Vec<String>> = letters
        .into_iter()
        .map(|letter| {
            vec![
                letter.group,
                letter.position.to_string(),
                letter.key,
                letter.topic,
                letter.attempts.to_string(),
                text::time(letter.parked_at.as_ref()),
                letter.reason,
            ]
        })
        .collect();
    let headings = [
        "GROUP", "POSITION", "KEY", "TOPIC", "ATTEMPTS", "PARKED", "REASON",
    ];
    out.table(&headings, &rows)
}

fn letter_json(letter: &DeadLetter) -> Value {
    json!({
        "group": letter.group,
        "position": letter.position,
        "key": letter.key,
        "eventId": letter.event_id,
        "topic": letter.topic,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "parkedAt": text::time(letter.parked_at.as_ref()),
        "redriveRequested": letter.redrive_requested,
    })
}

async fn audit(list: DlqList, out: Output) -> anyhow::Result<()> {
    let mut client = client(&list.target).await?;
    let mut actions: Vec<DeadLetterAction> = Vec::new();
    let mut token = String::new();
    loop {
        let request = ListDeadLetterAuditRequest {
            group: list.group.clone().unwrap_or_default(),
            page: page(token),
        };
        let reply = client
            .list_dead_letter_audit(request)
            .await
            .context("listing what was done")?
            .into_inner();
        actions.extend(reply.actions);
        token = reply.page.unwrap_or_default().next_token;
        if token.is_empty() || actions.len() >= ROWS_MAX {
            break;
        }
    }
    if out.is_json() {
        let rows: Vec<Value> = actions
            .iter()
            .map(|action| {
                json!({
                    "group": action.group,
                    "position": action.position,
                    "key": action.key,
                    "eventId": action.event_id,
                    "action": action.action,
                    "actor": action.actor,
                    "reason": action.reason,
                    "at": text::time(action.at.as_ref()),
                })
            })
            .collect();
        return out.document(&json!(rows));
    }
    let rows: Vec<Vec<String>> = actions
        .into_iter()
        .map(|action| {
            vec![
                text::time(action.at.as_ref()),
                action.action,
                action.group,
                action.position.to_string(),
                action.key,
                action.actor,
                action.reason,
            ]
        })
        .collect();
    let headings = ["AT", "ACTION", "GROUP", "POSITION", "KEY", "BY", "REASON"];
    out.table(&headings, &rows)
}

async fn one(show: DlqShow, out: Output) -> anyhow::Result<()> {
    let mut client = client(&show.target).await?;
    let request = GetDeadLetterRequest {
        group: show.group,
        position: show.position,
    };
    let reply = client
        .get_dead_letter(request)
        .await
        .context("asking for the parked event")?
        .into_inner();
    let letter = reply.dead_letter.unwrap_or_default();
    // What is no event is shown as its bytes.
    let content = serde_json::from_str(&reply.json)
        .unwrap_or_else(|_| outcry_events::json::bytes(&reply.body, Personal::Hidden));
    let headers: Value = reply.headers.into_iter().collect();
    if out.is_json() {
        let mut shown = letter_json(&letter);
        shown["headers"] = headers;
        shown["event"] = content;
        shown["bodyBytes"] = json!(reply.body.len());
        return out.document(&shown);
    }
    for (name, value) in [
        ("group", letter.group),
        ("position", letter.position.to_string()),
        ("key", letter.key),
        ("topic", letter.topic),
        ("parked", text::time(letter.parked_at.as_ref())),
        ("attempts", letter.attempts.to_string()),
        ("reason", letter.reason),
    ] {
        out.line(format_args!("{name:<9} {}", text::printable(&value)))?;
    }
    out.line("headers")?;
    out.document(&headers)?;
    out.line(format_args!("event ({} bytes)", reply.body.len()))?;
    out.document(&content)
}

async fn again(redrive: DlqRedrive, out: Output) -> anyhow::Result<()> {
    if redrive.position.is_none() && redrive.key.is_none() && !redrive.all {
        let what = "say what to redrive: --position, --key or --all; --dry-run only counts it";
        return Err(Usage::new(what).into());
    }
    let mut client = client(&redrive.target).await?;
    let request = RedriveDeadLettersRequest {
        group: redrive.group,
        position: redrive.position.unwrap_or(0),
        key: redrive.key.unwrap_or_default(),
        dry_run: redrive.dry_run,
        rate_per_second: redrive.rate,
    };
    let reply = client
        .redrive_dead_letters(request)
        .await
        .context("redriving")?
        .into_inner();
    if out.is_json() {
        let shown = json!({
            "dryRun": redrive.dry_run, "events": reply.events, "keys": reply.keys,
        });
        return out.document(&shown);
    }
    let verb = if redrive.dry_run {
        "would be redriven"
    } else {
        "are being redriven"
    };
    out.line(format_args!(
        "{} events of {} keys {verb}",
        reply.events, reply.keys
    ))
}

async fn give_up(discard: DlqDiscard, out: Output) -> anyhow::Result<()> {
    let mut client = client(&discard.target).await?;
    let request = DiscardDeadLetterRequest {
        group: discard.group.clone(),
        position: discard.position,
        reason: discard.reason,
    };
    client
        .discard_dead_letter(request)
        .await
        .context("discarding")?;
    if out.is_json() {
        let shown = json!({ "group": discard.group, "position": discard.position });
        return out.document(&shown);
    }
    out.line(format_args!(
        "discarded {} of {}",
        discard.position, discard.group
    ))
}
