//! Commands become events once, in the right flow.

use outcry_contracts::events::v1::EventEnvelope;
use outcry_contracts::payments::v1::{
    PaymentCreatedEvent, PaymentExpiredEvent, PaymentFailedEvent, PaymentFailure,
};
use outcry_events::{Amount, Cause, SealedEvent, event_set};
use outcry_mesh::refusal::Refusal;
use outcry_service::testing::{Platform, given};
use outcry_service::{CommandError, Decider, LoadError, execute, load};
use outcry_store::{Append, Commit, ViewWrite};
use prost::Message as _;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::toys::{
    Account, AlreadyCaptured, Capture, Deposit, Full, Payment, capture, deposit, id, root,
};

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_commands_on_one_account_all_take_effect_in_turn() {
    const COMMANDS: usize = 60;
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    // As two processes: they meet only in the store.
    let contexts = [
        platform.context("funds").await,
        platform.context("funds").await,
    ];
    let commands = (0..COMMANDS).map(|n| {
        let ctx = &contexts[n % 2];
        async move { deposit(ctx, 1, &[&format!("r{n}")]).await }
    });
    futures::future::join_all(commands).await;
    for ctx in &contexts {
        let account = load::<Account>(ctx, &id(1)).await.unwrap();
        assert_eq!(account.sequence, COMMANDS as u64);
        assert_eq!(account.state.available, Amount::from_units(60));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_along_is_committed_with_the_events_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let ctx = platform.context("funds").await;
    let command = Deposit {
        user: id(1),
        amount: Amount::from_units(3),
        reference: "r1".into(),
    };
    let refused = execute::<Account>(&ctx, &id(1), &root(), &command, |_, _| {
        Err(CommandError::Rejected(Full))
    })
    .await;
    assert!(matches!(refused, Err(CommandError::Rejected(Full))));
    assert!(load::<Account>(&ctx, &id(1)).await.unwrap().is_new());

    let with_row = async || {
        execute::<Account>(&ctx, &id(1), &root(), &command, |done, commit| {
            if done.after != done.before {
                let row = done.after.available.raw();
                commit.views.push(ViewWrite::put("balances", id(1), &row)?);
            }
            Ok(())
        })
        .await
        .unwrap()
    };
    assert_eq!(with_row().await.events.len(), 1);
    let row = ctx.store.view("balances", &id(1)).await.unwrap().unwrap();
    assert_eq!((row.version, row.decode::<i64>().unwrap()), (1, 30_000));
    // Already so: nothing happens and nothing is written.
    assert_eq!(with_row().await.events.len(), 0);
    let row = ctx.store.view("balances", &id(1)).await.unwrap().unwrap();
    assert_eq!(row.version, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_a_newer_build_wrote_is_not_decided_on() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let ctx = platform.context("payments").await;
    let done = capture(&ctx, 1, 7).await;
    let mut envelope = EventEnvelope::decode(done.events[0].bytes().clone()).unwrap();
    envelope.event_id = Uuid::now_v7().to_string();
    envelope.event_type = "payment.refunded".into();
    envelope.aggregate_sequence = 2;
    if let Some(payload) = &mut envelope.payload {
        payload.type_url = "type.googleapis.com/outcry.payments.v1.PaymentRefundedEvent".into();
    }
    let newer = SealedEvent::open(envelope.encode_to_vec().into()).unwrap();
    let append = Append {
        stream: newer.stream(),
        expected: 1,
        events: vec![newer],
    };
    ctx.store
        .commit(Commit {
            appends: vec![append],
            ..Commit::default()
        })
        .await
        .unwrap();
    let error = load::<Payment>(&ctx, &id(1)).await.unwrap_err();
    assert!(
        matches!(error, LoadError::Unreadable { sequence: 2, .. }),
        "{error}"
    );
    let status = Status::from(CommandError::<AlreadyCaptured>::from(error));
    assert_eq!(status.code(), Code::Internal);
}

#[test]
fn a_rejection_reaches_the_caller_with_its_reason() {
    let status = Status::from(CommandError::Rejected(AlreadyCaptured));
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(status.message(), AlreadyCaptured.to_string());
    assert!(String::from_utf8_lossy(status.details()).contains(AlreadyCaptured.reason()));
}

#[test]
fn decisions_are_told_as_given_when_then() {
    let command = || Capture {
        payment: id(1),
        user: id(2),
        units: 5,
    };
    let events = given::<Payment>([]).when(command()).then_events();
    given::<Payment>([])
        .when(command())
        .then(events)
        .when(command())
        .then_refused(AlreadyCaptured);
}

// === a flow of its own ===

event_set! {
    /// What happens to an attempt to pay.
    pub enum AttemptEvent {
        /// It began.
        Created(PaymentCreatedEvent),
        /// It failed.
        Failed(PaymentFailedEvent),
        /// It was too late.
        Expired(PaymentExpiredEvent),
    }
}

/// An attempt to pay: one flow from beginning to end.
#[derive(Clone, Debug, Default)]
struct Attempt {
    created: bool,
}

/// Whether it begins or ends.
enum Step {
    Begin,
    End,
}

/// Never.
#[derive(Debug, thiserror::Error)]
#[error("never")]
struct Never;

impl Refusal for Never {
    fn code(&self) -> Code {
        Code::Internal
    }
    fn reason(&self) -> &'static str {
        "NEVER"
    }
}

impl Decider for Attempt {
    const OWN_FLOW: bool = true;
    type Command = Step;
    type Event = AttemptEvent;
    type Rejection = Never;

    fn decide(&self, step: &Step) -> Result<Vec<AttemptEvent>, Never> {
        let amount = Some(Amount::from_units(1).to_money());
        let (payment_id, user_id) = (id(1), id(2));
        Ok(match step {
            Step::Begin if self.created => vec![],
            Step::Begin => vec![AttemptEvent::from(PaymentCreatedEvent {
                payment_id,
                user_id,
                amount,
                provider: "toy".into(),
                expires_at: Some(prost_types::Timestamp::default()),
            })],
            Step::End => vec![
                AttemptEvent::from(PaymentFailedEvent {
                    payment_id: payment_id.clone(),
                    user_id: user_id.clone(),
                    amount: amount.clone(),
                    reason: PaymentFailure::Declined.into(),
                    message: String::new(),
                    ..Default::default()
                }),
                AttemptEvent::from(PaymentExpiredEvent {
                    payment_id,
                    user_id,
                    amount,
                }),
            ],
        })
    }

    fn evolve(self, _: &AttemptEvent) -> Self {
        Self { created: true }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_with_a_flow_of_its_own_stays_in_it_whoever_asks() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::open(folder.path()).await;
    let ctx = platform.context("payments").await;
    let run = async |cause: &Cause, step| {
        execute::<Attempt>(&ctx, &id(1), cause, &step, |_, _| Ok(()))
            .await
            .unwrap()
            .events
    };
    let birth = root();
    let begun = run(&birth, Step::Begin).await;
    assert_eq!(begun[0].correlation_id(), birth.correlation_id);
    assert_eq!(begun[0].causation_id(), None);

    let stranger = Cause {
        causation_id: Some(Uuid::now_v7()),
        ..root()
    };
    let ended = run(&stranger, Step::End).await;
    assert!(
        ended
            .iter()
            .all(|event| event.correlation_id() == birth.correlation_id)
    );
    assert_eq!(ended[0].causation_id(), Some(begun[0].id()));
    assert_eq!(ended[1].causation_id(), Some(ended[0].id()));
    assert_eq!(ended[1].sequence(), 3);
}
