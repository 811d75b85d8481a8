//! Parked events park their keys, and come back in order.

use outcry_broker::Message;
use outcry_contracts::events::v1::EventEnvelope;
use outcry_contracts::operations::v1 as api;
use outcry_contracts::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use outcry_service::testing::{Caller, Platform, eventually};
use outcry_service::{Context, Unknown};
use prost::Message as _;
use tonic::Code;

use crate::toys::{Act, Script, deposit, funds, id, journal, ledger, repeated};

struct Stage {
    platform: Platform,
    funds: Context,
    ledger: Context,
}

async fn stage(platform: Platform, script: Script, unknown: Unknown) -> Stage {
    let mut platform = platform;
    let (f, l) = (
        platform.context("funds").await,
        platform.context("ledger").await,
    );
    platform
        .start([
            (f.clone(), funds(&f)),
            (l.clone(), ledger(&l, &script, unknown)),
        ])
        .await;
    Stage {
        platform,
        funds: f,
        ledger: l,
    }
}

impl Stage {
    fn letters(&self) -> DeadLetterServiceClient<Caller> {
        DeadLetterServiceClient::new(self.platform.admin("ledger"))
    }

    async fn list(&self) -> Vec<api::DeadLetter> {
        let request = api::ListDeadLettersRequest {
            group: "ledger".into(),
            ..Default::default()
        };
        let page = self.letters().list_dead_letters(request).await.unwrap();
        page.into_inner().dead_letters
    }

    async fn parked(&self, count: usize) {
        eventually("events are parked", async || {
            self.list().await.len() == count
        })
        .await;
    }

    async fn redrive(&self, request: api::RedriveDeadLettersRequest) -> (u64, u64) {
        let extent = self.letters().redrive_dead_letters(request).await.unwrap();
        let extent = extent.into_inner();
        (extent.events, extent.keys)
    }

    async fn audit(&self) -> Vec<(String, String)> {
        let request = api::ListDeadLetterAuditRequest::default();
        let page = self
            .letters()
            .list_dead_letter_audit(request)
            .await
            .unwrap();
        let actions = page.into_inner().actions.into_iter();
        actions
            .map(|action| (action.action, action.reason))
            .collect()
    }
}

fn whole_group() -> api::RedriveDeadLettersRequest {
    api::RedriveDeadLettersRequest {
        group: "ledger".into(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_event_parks_its_key_and_a_redrive_brings_all_through_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script::default();
    script.plan("r2", [Act::Poison]);
    let stage = stage(Platform::open(folder.path()).await, script, Unknown::Park).await;

    deposit(&stage.funds, 1, &["r1", "r2", "r3", "r4"]).await;
    deposit(&stage.funds, 2, &["s1", "s2"]).await;
    stage.parked(3).await;
    eventually("the other key flows", async || {
        journal(&stage.ledger, 2).await == ["s1", "s2"]
    })
    .await;
    assert_eq!(journal(&stage.ledger, 1).await, ["r1"]);

    let rows = stage.list().await;
    assert!(
        rows.iter()
            .all(|row| row.key == id(1) && row.topic == "funds.deposited")
    );
    assert_eq!(
        (rows[0].reason.as_str(), rows[0].attempts),
        ("makes no sense", 1)
    );
    assert_eq!(rows[1].attempts, 0);
    assert!(rows[1].reason.contains("waits behind"));

    let shown = stage
        .letters()
        .get_dead_letter(api::GetDeadLetterRequest {
            group: "ledger".into(),
            position: rows[0].position,
        })
        .await
        .unwrap()
        .into_inner();
    assert!(shown.json.contains("\"r2\""), "{}", shown.json);
    assert!(EventEnvelope::decode(shown.body.as_slice()).is_ok());

    let dry = api::RedriveDeadLettersRequest {
        dry_run: true,
        ..whole_group()
    };
    assert_eq!(stage.redrive(dry).await, (3, 1));
    assert_eq!(stage.list().await.len(), 3, "a dry run does nothing");

    let behind = api::RedriveDeadLettersRequest {
        position: rows[1].position,
        ..whole_group()
    };
    let refused = stage
        .letters()
        .redrive_dead_letters(behind)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);

    let key = api::RedriveDeadLettersRequest {
        key: id(1),
        rate_per_second: 1000,
        ..whole_group()
    };
    assert_eq!(stage.redrive(key).await, (3, 1));
    stage.parked(0).await;
    assert_eq!(journal(&stage.ledger, 1).await, ["r1", "r2", "r3", "r4"]);
    deposit(&stage.funds, 1, &["r5"]).await;
    eventually("the key flows again", async || {
        journal(&stage.ledger, 1).await.len() == 5
    })
    .await;

    let verbs: Vec<String> = stage
        .audit()
        .await
        .into_iter()
        .map(|(verb, _)| verb)
        .collect();
    assert_eq!(verbs, ["redriven", "redriven", "redriven", "redrive"]);
    let counts = stage.ledger.metrics().group("ledger");
    assert_eq!((counts.parked.get(), counts.redriven.get()), (3, 3));
    stage.platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_that_do_not_help_end_in_parking_and_a_failed_redrive_stops_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script::default();
    script.plan("r1", [Act::Fail, Act::Fail, Act::Fail, Act::Fail]);
    let stage = stage(Platform::open(folder.path()).await, script, Unknown::Park).await;
    deposit(&stage.funds, 1, &["r1", "r2"]).await;
    stage.parked(2).await;
    assert_eq!(stage.list().await[0].attempts, 3);

    stage.redrive(whole_group()).await;
    eventually("the redrive fails", async || {
        stage
            .audit()
            .await
            .iter()
            .any(|(verb, _)| verb == "redrive_failed")
    })
    .await;
    let rows = stage.list().await;
    assert_eq!(rows.len(), 2, "nothing went past it");
    assert!(rows.iter().all(|row| !row.redrive_requested));
    assert!(rows[0].reason.contains("not now"));

    stage.redrive(whole_group()).await;
    stage.parked(0).await;
    assert_eq!(journal(&stage.ledger, 1).await, ["r1", "r2"]);
    stage.platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_goes_on_after_a_crash_in_its_middle() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script::default();
    script.plan("r1", [Act::Poison]);
    // The redrive gets past the first and is stuck in the second when the process dies.
    script.plan("r2", [Act::Hang]);
    let first = stage(Platform::open(folder.path()).await, script, Unknown::Park).await;
    deposit(&first.funds, 1, &["r1", "r2", "r3"]).await;
    first.parked(3).await;
    first.redrive(whole_group()).await;
    first.parked(2).await;
    assert_eq!(journal(&first.ledger, 1).await, ["r1"]);
    let Stage { platform, .. } = first;

    let platform = platform.crash_and_restart().await;
    let second = stage(platform, Script::default(), Unknown::Park).await;
    second.parked(0).await;
    assert_eq!(journal(&second.ledger, 1).await, ["r1", "r2", "r3"]);
    second.platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_event_is_audited_and_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script::default();
    script.plan("r1", [Act::Poison]);
    let stage = stage(Platform::open(folder.path()).await, script, Unknown::Park).await;
    let events = deposit(&stage.funds, 1, &["r1", "r2"]).await;
    stage.parked(2).await;
    let position = stage.list().await[0].position;
    let request = api::DiscardDeadLetterRequest {
        group: "ledger".into(),
        position,
        reason: "booked by hand".into(),
    };
    stage.letters().discard_dead_letter(request).await.unwrap();
    assert_eq!(
        stage.audit().await,
        [("discard".to_owned(), "booked by hand".to_owned())]
    );

    let again = stage
        .platform
        .broker()
        .publish(vec![repeated(&events[0])])
        .await;
    assert!(again[0].is_ok());
    stage.redrive(whole_group()).await;
    stage.parked(0).await;
    let counts = stage.ledger.metrics().group("ledger");
    eventually("the repeat is recognised", async || {
        counts.duplicates.get() == 1
    })
    .await;
    assert_eq!(journal(&stage.ledger, 1).await, ["r2"]);
    stage.platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_event_are_parked_as_they_came() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(
        Platform::open(folder.path()).await,
        Script::default(),
        Unknown::Park,
    )
    .await;
    let events = deposit(&stage.funds, 1, &["r1"]).await;
    eventually("the good one is handled", async || {
        journal(&stage.ledger, 1).await == ["r1"]
    })
    .await;
    let mut broken = Message::from(&events[0]);
    broken.body = bytes::Bytes::from_static(b"\xff\xffnot an event");
    broken.event_id = "no uuid".into();
    broken.partition_key = "k".into();
    for _ in 0..2 {
        assert!(stage.platform.broker().publish(vec![broken.clone()]).await[0].is_ok());
    }
    stage.parked(1).await;
    let row = stage.list().await.remove(0);
    assert_eq!(row.key, "k");
    let shown = stage
        .letters()
        .get_dead_letter(api::GetDeadLetterRequest {
            group: "ledger".into(),
            position: row.position,
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(shown.body, broken.body);
    assert_eq!(shown.json, "");
    assert_eq!(shown.headers.len(), broken.headers.len());

    stage.redrive(whole_group()).await;
    eventually("a redrive does not make it readable", async || {
        stage
            .audit()
            .await
            .iter()
            .any(|(verb, _)| verb == "redrive_failed")
    })
    .await;
    assert_eq!(stage.list().await.len(), 1);
    stage.platform.stop().await;
}

/// An event of a type this build does not know, as a newer build would send it.
fn from_the_future(like: &Message) -> Message {
    let mut envelope = EventEnvelope::decode(like.body.clone()).unwrap();
    envelope.event_id = uuid::Uuid::now_v7().to_string();
    envelope.event_type = "funds.frozen".into();
    if let Some(payload) = &mut envelope.payload {
        payload.type_url = "type.googleapis.com/outcry.funds.v1.FundsFrozenEvent".into();
    }
    Message {
        topic: envelope.event_type.clone(),
        event_id: envelope.event_id.clone(),
        body: envelope.encode_to_vec().into(),
        ..like.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_events_are_skipped_or_parked_as_the_group_says() {
    for unknown in [Unknown::Skip, Unknown::Park] {
        let folder = tempfile::tempdir().unwrap();
        let stage = stage(
            Platform::open(folder.path()).await,
            Script::default(),
            unknown,
        )
        .await;
        let events = deposit(&stage.funds, 1, &["r1"]).await;
        eventually("the known one is handled", async || {
            journal(&stage.ledger, 1).await == ["r1"]
        })
        .await;
        let strange = from_the_future(&Message::from(&events[0]));
        assert!(stage.platform.broker().publish(vec![strange]).await[0].is_ok());
        let counts = stage.ledger.metrics().group("ledger");
        if unknown == Unknown::Skip {
            eventually("it is skipped", async || counts.skipped.get() == 1).await;
            assert_eq!(stage.list().await.len(), 0);
        } else {
            stage.parked(1).await;
            assert!(
                stage.list().await[0]
                    .reason
                    .contains("does not know funds.frozen")
            );
        }
        stage.platform.stop().await;
    }
}
