//! Which calls a service is told to account for, and how they ended.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails there")]

#[path = "shared/probe.rs"]
mod probe;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use outcry_mesh::authorize::Rule;
use outcry_mesh::{CallRecorder, Channel, Directory, Ending, RecordedCall, Report, acting_for};
use tokio::sync::Semaphore;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use uuid::Uuid;

use crate::probe::{CHECK, Probe, Seen, WATCH, ask, customer, rules};

/// Keeps what it is told, and has room for so many calls.
struct Ear {
    room: Arc<Semaphore>,
    denied: Mutex<Vec<(RecordedCall, Ending)>>,
    ended: Arc<Mutex<Vec<(RecordedCall, Ending)>>>,
}

impl CallRecorder for Ear {
    fn denied(&self, call: RecordedCall, ending: Ending) {
        self.denied.lock().unwrap().push((call, ending));
    }

    fn begin(&self, call: RecordedCall) -> BoxFuture<'static, Result<Report, Status>> {
        let (room, ended) = (Arc::clone(&self.room), Arc::clone(&self.ended));
        async move {
            room.acquire().await.unwrap().forget();
            let report: Report = Box::new(move |ending| ended.lock().unwrap().push((call, ending)));
            Ok(report)
        }
        .boxed()
    }
}

struct Rig {
    directory: Directory,
    ear: Arc<Ear>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A service `a` whose `Check` may change something and whose `Watch` may not.
fn rig(room: usize) -> Rig {
    let rules = rules();
    let rules = rules.iter().map(|(path, rule)| {
        let safe = path == WATCH;
        let rule = rule.clone();
        (path.to_owned(), Rule { safe, ..rule })
    });
    let directory = Directory::with(rules.collect(), || Uuid::from_u128(42));
    let seen = Arc::default();
    let ear = Arc::new(Ear {
        room: Arc::new(Semaphore::new(room)),
        denied: Mutex::default(),
        ended: Arc::default(),
    });
    let probe = Probe::new("a", &directory, &seen);
    let routes = Routes::new(HealthServer::new(probe));
    let recorder = Arc::clone(&ear) as Arc<dyn CallRecorder>;
    directory
        .register_recorded("a", routes, Some(recorder))
        .unwrap();
    Rig {
        directory,
        ear,
        seen,
    }
}

impl Rig {
    fn client(&self, caller: &'static str) -> HealthClient<Channel> {
        HealthClient::new(self.directory.channel(caller, "a"))
    }

    fn ended(&self) -> Vec<(RecordedCall, Ending)> {
        self.ear.ended.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_call_that_may_change_something_is_recorded_with_its_ending_and_a_reading_one_is_not() {
    let rig = rig(9);
    let mut request = ask("");
    acting_for(&mut request, &customer());
    rig.client("b").check(request).await.unwrap();
    rig.client("b").watch(ask("")).await.unwrap();
    for what in ["unavailable", "panic"] {
        rig.client("c").check(ask(what)).await.unwrap_err();
    }
    let ended = rig.ended();
    let call = |caller: &str, user: &str| RecordedCall {
        method: CHECK.to_owned(),
        caller: caller.to_owned(),
        user: user.to_owned(),
        correlation_id: Uuid::from_u128(42),
    };
    let calls: Vec<_> = ended.iter().map(|(call, _)| call.clone()).collect();
    assert_eq!(calls, [call("b", "u1"), call("c", ""), call("c", "")]);
    let endings: Vec<_> = ended
        .iter()
        .map(|(_, ending)| (ending.code, ending.reason.as_str()))
        .collect();
    assert_eq!(
        endings,
        [
            (Code::Ok, ""),
            (Code::Unavailable, ""),
            (Code::Internal, "HANDLER_PANICKED")
        ]
    );
    assert!(rig.ear.denied.lock().unwrap().is_empty());
}

#[tokio::test]
async fn every_denial_is_recorded_and_begins_nothing() {
    let rig = rig(0);
    for result in [
        rig.client("stranger").check(ask("")).await.map(drop),
        rig.client("stranger").watch(ask("")).await.map(drop),
    ] {
        assert_eq!(result.unwrap_err().code(), Code::PermissionDenied);
    }
    let denied = rig.ear.denied.lock().unwrap().clone();
    let told: Vec<_> = denied
        .iter()
        .map(|(call, ending)| (call.method.as_str(), ending.reason.as_str()))
        .collect();
    assert_eq!(told, [(CHECK, "NOT_ALLOWED"), (WATCH, "NOT_ALLOWED")]);
    assert!(rig.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_call_whose_caller_went_away_is_recorded_as_given_up() {
    let rig = rig(1);
    let mut client = rig.client("b");
    let mut hanging = Box::pin(client.check(ask("hang")));
    while rig.seen.lock().unwrap().is_empty() {
        assert!(futures::poll!(hanging.as_mut()).is_pending());
    }
    assert!(rig.ended().is_empty());
    drop(hanging);
    let ended = rig.ended();
    assert_eq!(ended.len(), 1);
    assert_eq!(
        (ended[0].1.code, ended[0].1.reason.as_str()),
        (Code::Cancelled, "GIVEN_UP")
    );
}

#[tokio::test(start_paused = true)]
async fn without_room_for_its_record_a_call_waits_and_is_not_begun() {
    let rig = rig(0);
    let mut request = ask("");
    request.set_timeout(Duration::from_secs(1));
    let ended = rig.client("b").check(request).await.unwrap_err();
    assert_eq!(ended.code(), Code::DeadlineExceeded);
    assert!(rig.seen.lock().unwrap().is_empty());
    let waiting = {
        let mut client = rig.client("b");
        tokio::spawn(async move { client.check(ask("")).await })
    };
    rig.ear.room.add_permits(1);
    waiting.await.unwrap().unwrap();
    assert_eq!(rig.ended().len(), 1);
}
