//! Reading events: live, from the past, and as one flow.

use outcry_contracts::eventlog::v1::event_log_service_client::EventLogServiceClient;
use outcry_contracts::eventlog::v1::{
    ListEventTypesRequest, LoggedEvent, SubscribeRequest, SubscribeResponse, TraceRequest,
};
use outcry_contracts::users::v1::UserPasswordChangedEvent;
use outcry_mesh::Role;
use outcry_service::{Fault, GroupSpec, Unknown};
use outcry_store::CommitError;
use tonic::transport::Channel;
use tonic::{Code, Streaming};
use uuid::Uuid;

use crate::rig::{Rig, user};

async fn log(rig: &Rig) -> EventLogServiceClient<Channel> {
    EventLogServiceClient::new(rig.connect().await)
}

const NONE: [u64; 0] = [];

/// All events a request gives a user until the end of the archive.
async fn read(rig: &Rig, user_id: &str, role: Role, request: SubscribeRequest) -> Vec<LoggedEvent> {
    let request = SubscribeRequest {
        stop_at_end: true,
        ..request
    };
    let events = log(rig)
        .await
        .subscribe(rig.by(user_id, role, request))
        .await
        .unwrap();
    let mut events = events.into_inner();
    let mut all = Vec::new();
    while let Some(event) = events.message().await.unwrap() {
        all.push(event.logged.unwrap());
    }
    all
}

async fn next(events: &mut Streaming<SubscribeResponse>) -> LoggedEvent {
    events.message().await.unwrap().unwrap().logged.unwrap()
}

fn positions(events: &[LoggedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.position).collect()
}

#[tokio::test]
async fn a_subscription_goes_from_the_past_into_the_present() {
    let rig = Rig::start().await;
    let first = rig.happened_to(&user(1), 1).await;
    let request = rig.by(&user(9), Role::Viewer, SubscribeRequest::default());
    let mut events = log(&rig)
        .await
        .subscribe(request)
        .await
        .unwrap()
        .into_inner();
    let old = next(&mut events).await;
    assert_eq!(
        (old.position, old.event.as_ref()),
        (1, Some(first.envelope()))
    );
    let second = rig.happened_to(&user(2), 2).await;
    let new = next(&mut events).await;
    assert_eq!(
        (new.position, new.event.as_ref()),
        (2, Some(second.envelope()))
    );
}

#[tokio::test]
async fn customers_see_what_is_about_them_and_operators_everything() {
    let rig = Rig::start().await;
    for number in [1, 2, 1, 3] {
        rig.happened_to(&user(number), number).await;
    }
    let all = SubscribeRequest::default;
    assert_eq!(
        positions(&read(&rig, &user(1), Role::User, all()).await),
        [1, 3]
    );
    assert_eq!(
        positions(&read(&rig, &user(3), Role::User, all()).await),
        [4]
    );
    assert_eq!(
        positions(&read(&rig, &user(9), Role::User, all()).await),
        NONE
    );
    assert_eq!(
        positions(&read(&rig, &user(9), Role::Admin, all()).await),
        [1, 2, 3, 4]
    );
    // Out of the store, too: a new process remembers nothing.
    let rig = rig.restarted().await;
    assert_eq!(
        positions(&read(&rig, &user(1), Role::User, all()).await),
        [1, 3]
    );
    let of_another = SubscribeRequest {
        partition_key: user(2),
        ..all()
    };
    assert_eq!(
        positions(&read(&rig, &user(1), Role::User, of_another).await),
        NONE
    );
    assert_eq!(
        positions(&read(&rig, &user(9), Role::Viewer, all()).await),
        [1, 2, 3, 4]
    );
}

#[tokio::test]
async fn topics_and_keys_narrow_a_subscription() {
    let rig = Rig::start().await;
    rig.happened_to(&user(1), 1).await;
    rig.revoke(&user(1), 1).await;
    rig.happened_to(&user(2), 1).await;
    let by_topic = |topic: &str| SubscribeRequest {
        topics: vec!["order.*".into(), topic.to_owned()],
        ..Default::default()
    };
    let by_key = || SubscribeRequest {
        partition_key: user(1),
        ..Default::default()
    };
    let rig = {
        let read = async |request| positions(&read(&rig, &user(9), Role::Admin, request).await);
        assert_eq!(read(by_topic("user.password_changed")).await, [2]);
        assert_eq!(read(by_topic("*.updated")).await, [1, 3]);
        assert_eq!(read(by_topic("#")).await, [1, 2, 3]);
        assert_eq!(read(by_key()).await, [1, 2]);
        rig.restarted().await
    };
    assert_eq!(
        positions(&read(&rig, &user(9), Role::Admin, by_key()).await),
        [1, 2]
    );
}

#[tokio::test]
async fn a_reader_who_resumes_misses_nothing_and_sees_nothing_twice() {
    let rig = Rig::start().await;
    // More than the pages of every way of reading, for two customers in turn.
    const EVENTS: u64 = 450;
    for number in 1..=EVENTS {
        rig.happened_to(&user(u128::from(number % 2)), 1).await;
    }
    let rig = rig.restarted().await;
    let odd: Vec<u64> = (1..=EVENTS).filter(|position| position % 2 == 1).collect();
    for resume in [0, 1, 99, 100, 101, 219, 449, EVENTS] {
        let after = || SubscribeRequest {
            after_position: resume,
            ..Default::default()
        };
        let all: Vec<u64> = (resume + 1..=EVENTS).collect();
        let own: Vec<u64> = odd
            .iter()
            .copied()
            .filter(|position| *position > resume)
            .collect();
        assert_eq!(
            positions(&read(&rig, &user(9), Role::Viewer, after()).await),
            all,
            "{resume}"
        );
        assert_eq!(
            positions(&read(&rig, &user(1), Role::User, after()).await),
            own,
            "{resume}"
        );
        let keyed = SubscribeRequest {
            partition_key: user(1),
            ..after()
        };
        assert_eq!(
            positions(&read(&rig, &user(9), Role::Viewer, keyed).await),
            own,
            "{resume}"
        );
    }
    // What comes next has the next position, and readers go from store to memory.
    rig.happened_to(&user(1), 1).await;
    let after = SubscribeRequest {
        after_position: EVENTS - 1,
        ..Default::default()
    };
    let read = read(&rig, &user(9), Role::Viewer, after).await;
    assert_eq!(positions(&read), [EVENTS, EVENTS + 1]);
}

#[tokio::test]
async fn a_subscription_from_now_skips_the_past() {
    let rig = Rig::start().await;
    rig.happened_to(&user(1), 1).await;
    let request = SubscribeRequest {
        from_now: true,
        ..Default::default()
    };
    let request = rig.by(&user(1), Role::User, request);
    let mut events = log(&rig)
        .await
        .subscribe(request)
        .await
        .unwrap()
        .into_inner();
    rig.happened_to(&user(1), 1).await;
    assert_eq!(next(&mut events).await.position, 2);
}

#[tokio::test]
async fn a_position_that_is_not_there_yet_is_refused() {
    let rig = Rig::start().await;
    rig.happened_to(&user(1), 1).await;
    let request = SubscribeRequest {
        after_position: 2,
        ..Default::default()
    };
    let refused = log(&rig)
        .await
        .subscribe(rig.by(&user(1), Role::User, request))
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
    assert!(
        refused.message().contains("ends at 1"),
        "{}",
        refused.message()
    );
}

#[tokio::test]
async fn an_event_is_archived_once_however_often_it_comes() {
    let rig = Rig::start().await;
    let event = rig.happened_to(&user(1), 1).await;
    let again = rig.recorder().react(&event).await;
    assert!(matches!(again, Err(Fault::Discard(_))), "{again:?}");
    let rig = rig.restarted().await;
    let again = rig.recorder().react(&event).await;
    assert!(matches!(again, Err(Fault::Discard(_))), "{again:?}");
}

#[tokio::test]
async fn of_two_events_that_want_the_same_position_the_slower_one_gets_the_next() {
    let rig = Rig::start().await;
    let changed = UserPasswordChangedEvent {
        user_id: user(1),
        token_epoch: 1,
    };
    let slow = rig.sealed(&changed, Uuid::from_u128(1));
    let slow_commit = rig.recorder().react(&slow).await.unwrap();
    let fast = rig.happened_to(&user(2), 1).await;
    let overtaken = rig.store().commit(slow_commit).await;
    assert!(matches!(overtaken, Err(CommitError::Conflict(_))));
    rig.consume(&slow).await;
    let all = read(&rig, &user(9), Role::Admin, SubscribeRequest::default()).await;
    assert_eq!(positions(&all), [1, 2]);
    let ids: Vec<&str> = all
        .iter()
        .map(|logged| logged.event.as_ref().unwrap().event_id.as_str())
        .collect();
    assert_eq!(ids, [fast.id().to_string(), slow.id().to_string()]);
}

#[tokio::test]
async fn a_flow_is_shown_whole_to_operators_and_in_part_to_its_customers() {
    let rig = Rig::start().await;
    rig.happened_to(&user(1), 7).await;
    rig.happened_to(&user(1), 8).await;
    rig.happened_to(&user(2), 7).await;
    let trace = async |user_id: &str, role| {
        let asked = TraceRequest {
            correlation_id: Uuid::from_u128(7).to_string(),
        };
        let answer = log(&rig)
            .await
            .trace(rig.by(user_id, role, asked))
            .await
            .unwrap();
        positions(&answer.into_inner().events)
    };
    assert_eq!(trace(&user(9), Role::Admin).await, [1, 3]);
    assert_eq!(trace(&user(1), Role::User).await, [1]);
    assert_eq!(trace(&user(3), Role::User).await, NONE);
}

#[tokio::test]
async fn anybody_may_list_the_event_types_with_their_consumers() {
    let rig = Rig::start().await;
    let orders = GroupSpec::new("orders", &["user.created", "trade.*"], Unknown::Park);
    rig.edge
        .announce([orders, GroupSpec::new("gateway", &["#"], Unknown::Skip)]);
    let types = log(&rig)
        .await
        .list_event_types(ListEventTypesRequest {})
        .await
        .unwrap();
    let types = types.into_inner().event_types;
    let of = |topic: &str| types.iter().find(|one| one.topic == topic).unwrap();
    assert_eq!(of("user.created").consumers, ["gateway", "orders"]);
    assert_eq!(of("user.login").consumers, ["gateway"]);
    assert_eq!(of("user.created").owner, "users");
    let (older, newer) = (of("report.requested"), of("report.requested.v2"));
    assert_eq!(older.superseded_by, newer.topic);
    assert_eq!(older.published_until, "2027-06-30");
    assert_eq!(
        older.consumers, [""; 0],
        "copies are for others than groups of ours"
    );
    assert_eq!(newer.consumers, ["gateway"]);
    assert_eq!(
        (newer.schema_version, newer.superseded_by.as_str()),
        (2, "")
    );
    assert!(types.is_sorted_by(|one, other| one.topic < other.topic));
}

#[tokio::test]
async fn an_auditor_reads_the_ids_of_everything_archived_however_many_pages_it_is() {
    let rig = Rig::start().await;
    let mut happened = Vec::new();
    for number in 0..205 {
        happened.push(rig.happened_to(&user(1), number).await.id());
    }
    let archived = outcry_gateway::archived(rig.store()).await.unwrap();
    assert_eq!(archived, happened);
}

#[tokio::test]
async fn an_archive_without_events_has_no_ids() {
    let rig = Rig::start().await;
    let archived = outcry_gateway::archived(rig.store()).await.unwrap();
    assert_eq!(archived, Vec::<Uuid>::new());
}
