//! What was called and refused is written down so that nobody can change it unseen.

use std::path::Path;
use std::sync::Arc;

use outcry_audit::{CallRecord, Stores, examine, recorded_calls};
use outcry_contracts::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use outcry_contracts::operations::v1::{ListDeadLettersRequest, RedriveDeadLettersRequest};
use outcry_service::testing::{Caller, Platform};
use outcry_service::{Context, Service};
use outcry_store::{Change, Commit, Expect, Scan, Store, ViewRow, ViewWrite};
use tonic::Code;

use crate::toys::{Script, ledger};
use outcry_service::Unknown;

const LEDGER: &str = "ledger";

async fn running(folder: &Path) -> Platform {
    let mut platform = Platform::open(folder).await;
    let ctx = platform.context(LEDGER).await.recording_calls();
    let service: Service = ledger(&ctx, &Script::default(), Unknown::Park);
    platform.start([(ctx, service)]).await;
    platform
}

fn letters(caller: Caller) -> DeadLetterServiceClient<Caller> {
    DeadLetterServiceClient::new(caller)
}

/// Redrives what is not there, as the administrator.
async fn redrive(platform: &Platform) {
    let request = RedriveDeadLettersRequest {
        group: LEDGER.to_owned(),
        ..Default::default()
    };
    letters(platform.admin(LEDGER))
        .redrive_dead_letters(request)
        .await
        .unwrap();
}

/// Asks for what the caller may not have.
async fn denied(caller: Caller) -> Code {
    let request = RedriveDeadLettersRequest {
        group: LEDGER.to_owned(),
        ..Default::default()
    };
    let denied = letters(caller).redrive_dead_letters(request).await;
    denied.unwrap_err().code()
}

/// The store of a platform that is not running, looked at by whoever may change it.
async fn store(folder: &Path) -> (Context, Stores) {
    let platform = Platform::open(folder).await;
    let ctx = platform.context(LEDGER).await;
    let store: Arc<dyn Store> = Arc::clone(&ctx.store);
    (ctx, [(LEDGER, store)].into_iter().collect())
}

async fn records(stores: &Stores) -> Vec<CallRecord> {
    recorded_calls(stores, |_| true).await.unwrap()
}

/// What the audit says is wrong with the records.
async fn breaches(stores: &Stores) -> Vec<String> {
    let (_, findings) = examine(stores).await.unwrap();
    let breaches = findings.breaches.into_iter();
    breaches
        .filter(|breach| breach.invariant == "calls")
        .map(|breach| breach.to_string())
        .collect()
}

async fn rows(ctx: &Context, view: &'static str) -> Vec<ViewRow> {
    ctx.store.scan(&Scan::new(view).limit(1000)).await.unwrap()
}

/// Writes past all rules, as somebody with access to the database does.
async fn forge(ctx: &Context, view: &'static str, key: &str, body: Option<Vec<u8>>) {
    let change = body.map_or(Change::Delete, |body| Change::Put {
        body,
        indexes: Vec::new(),
    });
    let write = ViewWrite {
        view,
        key: key.to_owned(),
        expect: Expect::Any,
        change,
    };
    let commit = Commit {
        views: vec![write],
        ..Commit::default()
    };
    ctx.store.commit(commit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changed_something_and_who_was_refused_is_written_down_at_an_orderly_end() {
    let folder = tempfile::tempdir().unwrap();
    let platform = running(folder.path()).await;
    redrive(&platform).await;
    assert_eq!(
        denied(platform.user("u1", LEDGER)).await,
        Code::PermissionDenied
    );
    assert_eq!(
        denied(platform.anybody(LEDGER)).await,
        Code::Unauthenticated
    );
    assert_eq!(
        denied(platform.service("orders", LEDGER)).await,
        Code::PermissionDenied
    );
    letters(platform.admin(LEDGER))
        .list_dead_letters(ListDeadLettersRequest::default())
        .await
        .unwrap();
    platform.stop().await;

    let (_ctx, stores) = store(folder.path()).await;
    let told: Vec<_> = records(&stores)
        .await
        .into_iter()
        .map(|one| {
            assert!(one.method.is_empty() || one.method.ends_with("/RedriveDeadLetters"));
            (one.kind, one.caller, one.user, one.code, one.reason)
        })
        .collect();
    let row = |kind: &str, caller: &str, user: &str, code: Code, reason: &str| {
        let texts = [kind, caller, user].map(str::to_owned);
        let [kind, caller, user] = texts;
        (kind, caller, user, code as i32, reason.to_owned())
    };
    let denied = [
        row(
            "denial",
            "edge",
            "u1",
            Code::PermissionDenied,
            "NOT_ALLOWED",
        ),
        row("denial", "edge", "", Code::Unauthenticated, "NOT_SIGNED_IN"),
        row(
            "denial",
            "orders",
            "",
            Code::PermissionDenied,
            "NOT_ALLOWED",
        ),
    ];
    let call = row("call", "edge", "admin", Code::Ok, "");
    assert_eq!(told[0], row("opened", "", "", Code::Ok, ""));
    assert_eq!(told[4..].last(), Some(&row("closed", "", "", Code::Ok, "")));
    for one in denied.iter().chain([&call]) {
        assert_eq!(
            told.iter().filter(|told| *told == one).count(),
            1,
            "{told:?}"
        );
    }
    assert_eq!(told.len(), 6, "reading is not recorded: {told:?}");
    assert_eq!(breaches(&stores).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_denials_is_a_few_records_that_count_all() {
    let folder = tempfile::tempdir().unwrap();
    let platform = running(folder.path()).await;
    const FLOOD: u64 = 500;
    for _ in 0..FLOOD {
        denied(platform.anybody(LEDGER)).await;
    }
    platform.stop().await;
    let (_ctx, stores) = store(folder.path()).await;
    let records = records(&stores).await;
    assert!(records.len() < 20, "{} records", records.len());
    let counted: u64 = records.iter().map(|record| record.count).sum();
    assert_eq!(counted, FLOOD);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_that_is_changed_anywhere_is_found_and_its_record_named() {
    let folder = tempfile::tempdir().unwrap();
    let platform = running(folder.path()).await;
    redrive(&platform).await;
    denied(platform.user("u1", LEDGER)).await;
    platform.stop().await;
    let (ctx, stores) = store(folder.path()).await;
    let rows = rows(&ctx, "call_records").await;
    assert_eq!(rows.len(), 4);
    for row in &rows {
        for place in (0..row.body.len()).step_by(9) {
            let mut body = row.body.clone();
            body[place] ^= 1;
            forge(&ctx, "call_records", &row.key, Some(body)).await;
            let breaches = breaches(&stores).await;
            assert!(
                breaches.len() == 1 && breaches[0].contains(&row.key),
                "byte {place} of {}: {breaches:?}",
                row.key
            );
        }
        forge(&ctx, "call_records", &row.key, Some(row.body.clone())).await;
    }
    assert_eq!(breaches(&stores).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_taken_out_or_off_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let platform = running(folder.path()).await;
    redrive(&platform).await;
    platform.stop().await;
    let (ctx, stores) = store(folder.path()).await;
    let rows = rows(&ctx, "call_records").await;
    for row in &rows {
        forge(&ctx, "call_records", &row.key, None).await;
        let breaches = breaches(&stores).await;
        let (run, number) = row.key.split_once('/').unwrap();
        let behind = format!("{run}/{:012}", number.parse::<u64>().unwrap() + 1);
        let is_last = row.key == rows[rows.len() - 1].key;
        let named = if is_last { &row.key } else { &behind };
        assert!(
            breaches.len() == 1 && breaches[0].contains(named.as_str()),
            "without {}: {breaches:?}",
            row.key
        );
        forge(&ctx, "call_records", &row.key, Some(row.body.clone())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_leaves_is_whole_and_the_next_run_keeps_it_from_being_cut() {
    let folder = tempfile::tempdir().unwrap();
    let platform = running(folder.path()).await;
    redrive(&platform).await;
    let ctx = platform.context(LEDGER).await;
    outcry_service::testing::eventually("the call is written", async || {
        rows(&ctx, "call_records").await.len() == 2
    })
    .await;
    drop(ctx);
    platform.crash().await;
    let platform = running(folder.path()).await;
    platform.stop().await;

    let (ctx, stores) = store(folder.path()).await;
    assert_eq!(breaches(&stores).await, Vec::<String>::new());
    let crashed = rows(&ctx, "call_records").await[..2].to_vec();
    let kinds: Vec<String> = records(&stores)
        .await
        .into_iter()
        .map(|one| one.kind)
        .collect();
    assert_eq!(kinds, ["opened", "call", "opened", "closed"]);
    // Cut off, and the end noted as if it had always been there.
    let (run, _) = crashed[0].key.split_once('/').unwrap();
    let hash = {
        let text = String::from_utf8(crashed[0].body.clone()).unwrap();
        text.rsplit_once("\"hash\":\"").unwrap().1[..64].to_owned()
    };
    let end = format!("{{\"number\":1,\"hash\":\"{hash}\",\"closed\":false}}");
    forge(&ctx, "call_records", &crashed[1].key, None).await;
    forge(&ctx, "call_chains", run, Some(end.into_bytes())).await;
    let breaches = breaches(&stores).await;
    assert!(
        breaches.len() == 1 && breaches[0].contains(&crashed[1].key),
        "{breaches:?}"
    );
}
