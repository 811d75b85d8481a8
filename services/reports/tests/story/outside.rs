//! Consumers outside the platform, on RabbitMQ: those that know only the first version of
//! `report.requested` go on, until its last day.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outcry_broker::{Broker, Group, Partition, RabbitMq, RabbitOptions};
use outcry_contracts::events::v1::EventEnvelope;
use outcry_contracts::reports::v1::{self as wire, ReportCompletedEvent, ReportFormat, ReportType};
use outcry_contracts::reports::v2::report_period::End;
use outcry_contracts::reports::v2::{JournalPlace, ReportPeriod};
use outcry_contracts::reports::{v1, v2};
use outcry_contracts::{Event, EventFacts, Validate as _};
use outcry_servers::shared_rabbitmq;
use outcry_service::Clock;
use outcry_service::testing::{FakeClock, Platform};
use prost::Message as _;
use tokio::time::timeout;

use crate::house::{BUYER, House};

/// Longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(30);

const FIRST: &str = v1::ReportRequestedEvent::TOPIC;
const SECOND: &str = v2::ReportRequestedEvent::TOPIC;

/// A consumer with a queue of its own.
struct Outside {
    _broker: RabbitMq,
    messages: Partition,
}

impl Outside {
    async fn bound_to(url: &str, name: &'static str, topics: &[&str]) -> Outside {
        let broker = RabbitMq::connect(RabbitOptions::new(url, name))
            .await
            .unwrap();
        let group = Group {
            name,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            partitions: 1,
            prefetch: 16,
        };
        broker.declare(&group).await.unwrap();
        let messages = broker.subscribe(&group, 0).await.unwrap();
        Outside {
            _broker: broker,
            messages,
        }
    }

    /// The next event, as any reader of the contract decodes it.
    async fn next(&mut self) -> EventEnvelope {
        let delivery = timeout(PATIENCE, self.messages.recv()).await;
        let delivery = delivery.unwrap().unwrap();
        let envelope = EventEnvelope::decode(delivery.message.body.clone()).unwrap();
        assert_eq!(envelope.validate(), Ok(()));
        assert_eq!(delivery.message.topic, envelope.event_type);
        assert_eq!(delivery.message.event_id, envelope.event_id);
        let copy_of = delivery.message.header("ce-copyof").unwrap_or_default();
        assert_eq!(copy_of, envelope.copy_of);
        delivery.ack().await.unwrap();
        envelope
    }
}

/// The payload, which is of this type and keeps its rules.
fn payload<E: Event>(envelope: &EventEnvelope) -> E {
    let any = envelope.payload.as_ref().unwrap();
    assert_eq!(any.type_url, E::type_url());
    let event = E::decode(any.value.as_slice()).unwrap();
    assert_eq!(event.validate(), Ok(()));
    event
}

/// A broker of a story's own.
async fn vhost(name: &str) -> String {
    let server = shared_rabbitmq().await.unwrap();
    server.create_vhost(name).await.unwrap()
}

/// Reports that publish there, by a clock that starts then.
async fn house(url: &str, now: SystemTime) -> House {
    let clock = Arc::new(FakeClock::at(now));
    let folder = tempfile::tempdir().unwrap();
    let broker = RabbitMq::connect(RabbitOptions::new(url, "platform"))
        .await
        .unwrap();
    let platform = Platform::open_at(folder.path(), clock.clone()).await;
    let platform = platform.with_broker(|_| Arc::new(broker));
    House::on(folder, platform, clock).await
}

/// When the first version is not published any more.
fn over() -> SystemTime {
    let successor = EventFacts::of_topic(FIRST).unwrap().successor.unwrap();
    UNIX_EPOCH + Duration::from_secs(successor.over_s)
}

/// Asks for a report; its id.
async fn asked(house: &House, request: &wire::RequestReportRequest) -> String {
    let reply = house.user(BUYER).request_report(request.clone()).await;
    reply.unwrap().into_inner().report.unwrap().report_id
}

/// By a time, by a period up to a time, and by a place in the journal.
fn requests(house: &House) -> [wire::RequestReportRequest; 3] {
    let now = house.clock.now();
    let by_time = house.request(ReportType::Activity, Some(now));
    let period = wire::RequestReportRequest {
        from: Some((now - Duration::from_secs(60)).into()),
        format: ReportFormat::Json.into(),
        ..house.request(ReportType::Statement, Some(now))
    };
    let place = wire::RequestReportRequest {
        as_of_position: 1,
        ..house.request(ReportType::Holdings, Some(now))
    };
    [by_time, period, place]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_of_the_first_version_gets_each_request_once_beside_one_of_the_second() {
    let url = vhost("report-versions").await;
    let mut old = Outside::bound_to(&url, "old", &[FIRST]).await;
    let mut new = Outside::bound_to(&url, "new", &[SECOND]).await;
    let house = house(&url, over() - Duration::from_secs(1)).await;
    house.deposited(BUYER, 1000, house.clock.now()).await;
    house.kept(BUYER, 1).await;
    let last = house.request(ReportType::TradeHistory, Some(house.clock.now()));
    for request in requests(&house).iter().chain([&last]) {
        let report_id = asked(&house, request).await;
        // One each, so the next one of either is about the next request.
        let (copy, fact) = (old.next().await, new.next().await);
        assert_eq!(
            payload::<v1::ReportRequestedEvent>(&copy),
            v1::ReportRequestedEvent {
                report_id: report_id.clone(),
                user_id: BUYER.to_owned(),
                r#type: request.r#type,
                format: request.format,
                from: request.from,
                as_of: request.as_of,
                as_of_position: request.as_of_position,
            }
        );
        let end = match request.as_of_position {
            0 => End::AsOf(request.as_of.unwrap()),
            position => End::Place(JournalPlace {
                position,
                as_of: request.as_of,
            }),
        };
        assert_eq!(
            payload::<v2::ReportRequestedEvent>(&fact),
            v2::ReportRequestedEvent {
                report_id,
                user_id: BUYER.to_owned(),
                r#type: request.r#type,
                format: request.format,
                period: Some(ReportPeriod {
                    from: request.from,
                    end: Some(end),
                }),
            }
        );
        assert_eq!((copy.schema_version, fact.schema_version), (1, 2));
        assert_eq!(
            (copy.copy_of.as_str(), fact.copy_of.as_str()),
            (fact.event_id.as_str(), "")
        );
        let copy = EventEnvelope {
            event_id: fact.event_id.clone(),
            event_type: fact.event_type.clone(),
            payload: fact.payload.clone(),
            schema_version: fact.schema_version,
            copy_of: String::new(),
            ..copy
        };
        assert_eq!(copy, fact, "all else is the same");
    }
    house.platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_last_day_the_first_version_is_not_published_any_more() {
    let url = vhost("report-versions-over").await;
    let mut all = Outside::bound_to(&url, "all", &["report.#"]).await;
    let house = house(&url, over() - Duration::from_secs(1)).await;
    let request = || house.request(ReportType::Activity, Some(house.clock.now()));
    let mut topics = async |count: usize| {
        let mut topics = Vec::new();
        for _ in 0..count {
            topics.push(all.next().await.event_type);
        }
        topics
    };
    // Events of a report come in order, so a copy would come before the report is made.
    asked(&house, &request()).await;
    assert_eq!(
        topics(3).await,
        [SECOND, FIRST, ReportCompletedEvent::TOPIC]
    );
    house.clock.set(over());
    asked(&house, &request()).await;
    assert_eq!(topics(2).await, [SECOND, ReportCompletedEvent::TOPIC]);
    house.platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_nobody_wants_the_first_version_any_more_holds_nothing_up() {
    let url = vhost("report-versions-unwanted").await;
    // The server returns what no queue is bound for.
    let topics = [SECOND, ReportCompletedEvent::TOPIC];
    let mut new = Outside::bound_to(&url, "new", &topics).await;
    let house = house(&url, over() - Duration::from_secs(1)).await;
    for _ in 0..2 {
        let request = house.request(ReportType::Activity, Some(house.clock.now()));
        asked(&house, &request).await;
        for topic in topics {
            assert_eq!(new.next().await.event_type, topic);
        }
    }
    let relay = &house.ctx.metrics().relay;
    outcry_service::testing::eventually("all is sent", async || relay.published.get() == 4).await;
    assert_eq!((relay.copies.get(), relay.failed.get()), (0, 0));
    house.platform.stop().await;
}
