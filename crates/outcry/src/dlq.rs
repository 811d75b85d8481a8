//! `outcry dlq`: events that could not be handled.

use anyhow::{Context as _, bail};
use outcry_contracts::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use outcry_contracts::operations::v1::{
    DeadLetter, DeadLetterAction, DiscardDeadLetterRequest, GetDeadLetterRequest,
    ListDeadLetterAuditRequest, ListDeadLettersRequest, RedriveDeadLettersRequest,
};
use outcry_contracts::types::v1::PageRequest;
use outcry_events::json::Personal;
use serde_json::{Value, json};

use crate::arguments::{Dlq, DlqDiscard, DlqList, DlqRedrive, DlqShow, Target};
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
pub async fn run(dlq: Dlq) -> anyhow::Result<()> {
    match dlq {
        Dlq::List(list) if list.audit => audit(list).await,
        Dlq::List(list) => listing(list).await,
        Dlq::Show(show) => one(show).await,
        Dlq::Redrive(redrive) => again(redrive).await,
        Dlq::Discard(discard) => give_up(discard).await,
    }
}

async fn client(target: &Target) -> anyhow::Result<DeadLetterServiceClient<SignedChannel>> {
    Ok(DeadLetterServiceClient::new(session::open(target).await?))
}

fn page(token: String) -> Option<PageRequest> {
    Some(PageRequest { size: PAGE, token })
}

async fn listing(list: DlqList) -> anyhow::Result<()> {
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
        let reply = client.list_dead_letters(request).await?.into_inner();
        letters.extend(reply.dead_letters);
        token = reply.page.unwrap_or_default().next_token;
        if token.is_empty() || letters.len() >= ROWS_MAX {
            break;
        }
    }
    if list.json {
        let rows: Vec<Value> = letters.iter().map(letter_json).collect();
        return Ok(text::print_json(&json!(rows))?);
    }
    if letters.is_empty() {
        println!("no dead letters");
        return Ok(());
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
    Ok(text::print_table(&headings, &rows)?)
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

async fn audit(list: DlqList) -> anyhow::Result<()> {
    let mut client = client(&list.target).await?;
    let mut actions: Vec<DeadLetterAction> = Vec::new();
    let mut token = String::new();
    loop {
        let request = ListDeadLetterAuditRequest {
            group: list.group.clone().unwrap_or_default(),
            page: page(token),
        };
        let reply = client.list_dead_letter_audit(request).await?.into_inner();
        actions.extend(reply.actions);
        token = reply.page.unwrap_or_default().next_token;
        if token.is_empty() || actions.len() >= ROWS_MAX {
            break;
        }
    }
    if list.json {
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
        return Ok(text::print_json(&json!(rows))?);
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
    Ok(text::print_table(&headings, &rows)?)
}

async fn one(show: DlqShow) -> anyhow::Result<()> {
    let mut client = client(&show.target).await?;
    let request = GetDeadLetterRequest {
        group: show.group,
        position: show.position,
    };
    let reply = client.get_dead_letter(request).await?.into_inner();
    let letter = reply.dead_letter.unwrap_or_default();
    // What is no event is shown as its bytes.
    let content = serde_json::from_str(&reply.json)
        .unwrap_or_else(|_| outcry_events::json::bytes(&reply.body, Personal::Hidden));
    let headers: Value = reply.headers.into_iter().collect();
    if show.json {
        let mut shown = letter_json(&letter);
        shown["headers"] = headers;
        shown["event"] = content;
        shown["bodyBytes"] = json!(reply.body.len());
        return Ok(text::print_json(&shown)?);
    }
    println!("group     {}", letter.group);
    println!("position  {}", letter.position);
    println!("key       {}", letter.key);
    println!("topic     {}", letter.topic);
    println!("parked    {}", text::time(letter.parked_at.as_ref()));
    println!("attempts  {}", letter.attempts);
    println!("reason    {}", letter.reason);
    println!("headers");
    text::print_json(&headers)?;
    println!("event ({} bytes)", reply.body.len());
    Ok(text::print_json(&content)?)
}

async fn again(redrive: DlqRedrive) -> anyhow::Result<()> {
    if redrive.position.is_none() && redrive.key.is_none() && !redrive.all {
        bail!("say what to redrive: --position, --key or --all");
    }
    let mut client = client(&redrive.target).await?;
    let request = RedriveDeadLettersRequest {
        group: redrive.group,
        position: redrive.position.unwrap_or(0),
        key: redrive.key.unwrap_or_default(),
        dry_run: redrive.dry_run,
        rate_per_second: redrive.rate,
    };
    let reply = client.redrive_dead_letters(request).await?.into_inner();
    if redrive.json {
        let shown = json!({
            "dryRun": redrive.dry_run, "events": reply.events, "keys": reply.keys,
        });
        return Ok(text::print_json(&shown)?);
    }
    let verb = if redrive.dry_run {
        "would be redriven"
    } else {
        "are being redriven"
    };
    println!("{} events of {} keys {verb}", reply.events, reply.keys);
    Ok(())
}

async fn give_up(discard: DlqDiscard) -> anyhow::Result<()> {
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
    if discard.json {
        let shown = json!({ "group": discard.group, "position": discard.position });
        return Ok(text::print_json(&shown)?);
    }
    println!("discarded {} of {}", discard.position, discard.group);
    Ok(())
}
