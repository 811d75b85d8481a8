//! An event that has got a new version: the copy in the one before leaves beside it until its last
//! day, and groups that know the new version skip it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use outcry_broker::{Group, Partition};
use outcry_contracts::reports::v1::{ReportCompletedEvent, ReportFormat, ReportType};
use outcry_contracts::reports::v2::report_period::End;
use outcry_contracts::reports::v2::{ReportPeriod, ReportRequestedEvent};
use outcry_contracts::{Event, EventFacts};
use outcry_events::{SealedEvent, Stamp, downcast, seal};
use outcry_service::testing::{FakeClock, Platform, eventually};
use outcry_service::{Clock, Context, Fault, GroupSpec, Reaction, Service, Unknown};
use outcry_store::{
    Append, Asked, Commit, ParkWrite, ParkedEvent, ParkedFilter, RedriveRequest, RedriveScope,
};
use tokio::time::timeout;

use crate::toys::{id, root};

/// Longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(30);

const FIRST: &str = "report.requested";

/// Handles everything, and notes what that was.
struct Everything {
    seen: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Reaction for Everything {
    fn group(&self) -> GroupSpec {
        GroupSpec::new("everything", &["#"], Unknown::Park)
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let mut seen = self.seen.lock().unwrap();
        seen.push(event.topic().to_owned());
        Ok(Commit::default())
    }
}

/// A consumer of all versions outside the platform.
fn outside() -> Group {
    Group {
        name: "outside",
        topics: vec!["report.#".to_owned()],
        partitions: 1,
        prefetch: 16,
    }
}

async fn next(partition: &mut Partition) -> SealedEvent {
    let delivery = timeout(PATIENCE, partition.recv()).await.unwrap().unwrap();
    let event = SealedEvent::open(delivery.message.body.clone()).unwrap();
    delivery.ack().await.unwrap();
    event
}

fn requested(clock: &FakeClock, number: u128) -> ReportRequestedEvent {
    ReportRequestedEvent {
        report_id: id(number),
        user_id: id(1),
        r#type: ReportType::Activity.into(),
        format: ReportFormat::Csv.into(),
        period: Some(ReportPeriod {
            from: None,
            end: Some(End::AsOf(clock.now().into())),
        }),
    }
}

/// Commits that a report was asked for and made.
async fn report(ctx: &Context, clock: &FakeClock, number: u128) {
    let requested = requested(clock, number);
    let completed = ReportCompletedEvent {
        report_id: id(number),
        user_id: id(1),
        sha256: "0".repeat(64),
        ..ReportCompletedEvent::default()
    };
    let cause = root();
    let stamp = |sequence| Stamp {
        event_id: clock.new_id(),
        sequence,
        occurred_at: clock.now(),
        recorded_at: clock.now(),
        cause: &cause,
    };
    let events = vec![
        seal(&requested, stamp(1)).unwrap(),
        seal(&completed, stamp(2)).unwrap(),
    ];
    let append = Append {
        stream: events[0].stream(),
        expected: 0,
        events,
    };
    let commit = Commit {
        appends: vec![append],
        ..Commit::default()
    };
    ctx.store.commit(commit).await.unwrap();
}

/// An event as an older release parked it.
fn parcel(event: &SealedEvent, clock: &FakeClock) -> ParkedEvent {
    ParkedEvent {
        group: "everything".into(),
        key: event.partition_key().into(),
        event_id: event.id(),
        topic: event.topic().into(),
        bytes: event.bytes().clone(),
        headers: Vec::new(),
        reason: "not yet".into(),
        attempts: 1,
        parked_at: clock.now(),
    }
}

async fn write(ctx: &Context, parked: Vec<ParkWrite>) {
    let commit = Commit {
        parked,
        ..Commit::default()
    };
    ctx.store.commit(commit).await.unwrap();
}

/// When version 1 is not published any more.
fn over() -> SystemTime {
    let successor = EventFacts::of_topic(FIRST).unwrap().successor.unwrap();
    UNIX_EPOCH + Duration::from_secs(successor.over_s)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_leaves_behind_its_fact_until_its_last_day_and_is_handled_by_nobody_here() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::at(over() - Duration::from_secs(1)));
    let mut platform = Platform::open_at(folder.path(), clock.clone()).await;
    platform.broker().declare(&outside()).await.unwrap();
    let (r, e) = (
        platform.context("reports").await,
        platform.context("everything").await,
    );
    let seen = Arc::new(Mutex::new(Vec::new()));
    let everything = Everything {
        seen: Arc::clone(&seen),
    };
    let topics = &[ReportRequestedEvent::TOPIC, ReportCompletedEvent::TOPIC];
    platform
        .start([
            (r.clone(), Service::new("reports").emits(topics)),
            (e.clone(), Service::new("everything").reacts(everything)),
        ])
        .await;
    let mut messages = platform.broker().subscribe(&outside(), 0).await.unwrap();

    report(&r, &clock, 7).await;
    let fact = next(&mut messages).await;
    let copy = next(&mut messages).await;
    assert_eq!(fact.topic(), ReportRequestedEvent::TOPIC);
    assert_eq!((copy.topic(), copy.copy_of()), (FIRST, Some(fact.id())));
    assert_eq!(
        next(&mut messages).await.topic(),
        ReportCompletedEvent::TOPIC
    );
    let counts = e.metrics().group("everything");
    eventually("both events are handled, and the copy is not", async || {
        (counts.handled.get(), counts.copies.get()) == (2, 1)
    })
    .await;
    assert_eq!(*seen.lock().unwrap(), topics);
    let relay = &r.metrics().relay;
    eventually("all is sent", async || relay.published.get() == 2).await;
    assert_eq!((relay.copies.get(), relay.uncopied.get()), (1, 0));

    clock.set(over());
    report(&r, &clock, 8).await;
    for topic in topics {
        assert_eq!(next(&mut messages).await.topic(), *topic);
    }
    eventually("all is sent", async || relay.published.get() == 4).await;
    assert_eq!(relay.copies.get(), 1);
    drop(messages);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_parked_goes_without_being_handled_when_its_key_is_redriven() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::at(over() - Duration::from_secs(1)));
    let mut platform = Platform::open_at(folder.path(), clock.clone()).await;
    let ctx = platform.context("everything").await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let everything = Everything {
        seen: Arc::clone(&seen),
    };
    let service = Service::new("everything").reacts(everything);
    platform.start([(ctx.clone(), service)]).await;

    let cause = root();
    let stamp = Stamp {
        event_id: clock.new_id(),
        sequence: 1,
        occurred_at: clock.now(),
        recorded_at: clock.now(),
        cause: &cause,
    };
    let fact = seal(&requested(&clock, 7), stamp).unwrap();
    let copies = downcast::registry().copies(&fact, clock.now()).unwrap();
    let [copy] = copies.as_slice() else {
        panic!("{copies:?}");
    };
    write(&ctx, vec![ParkWrite::Park(parcel(copy, &clock))]).await;
    write(&ctx, vec![ParkWrite::ParkBehind(parcel(&fact, &clock))]).await;
    let request = RedriveRequest {
        group: "everything".into(),
        scope: RedriveScope::Key(id(7)),
        per_second: 0,
        asked: Asked {
            by: "user:admin".into(),
            why: "the group knows copies now".into(),
            at: clock.now(),
        },
    };
    write(&ctx, vec![ParkWrite::RequestRedrive(request)]).await;

    let rows = ParkedFilter {
        limit: 10,
        ..ParkedFilter::default()
    };
    eventually("nothing is parked", async || {
        ctx.store.parked(&rows).await.unwrap().is_empty()
    })
    .await;
    assert_eq!(*seen.lock().unwrap(), [ReportRequestedEvent::TOPIC]);
    let counts = ctx.metrics().group("everything");
    eventually("each is counted", async || {
        (counts.copies.get(), counts.redriven.get()) == (1, 1)
    })
    .await;
    platform.stop().await;
}
