//! What an event costs on its way into bytes and out of them, and what a call costs over the mesh.
//!
//! The events are the golden ones of the contract: every type, with the least and with everything set.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use outcry_contracts::events::v1::EventEnvelope;
use outcry_contracts::funds::v1 as funds;
use outcry_contracts::orders::v1 as orders;
use outcry_contracts::payments::v1 as payments;
use outcry_contracts::reports::v1 as reports;
use outcry_contracts::trades::v1 as trades;
use outcry_contracts::users::v1 as users;
use outcry_contracts::{Event, Validate};
use outcry_events::SealedEvent;
use prost::Message as _;
use prost::bytes::Bytes;

use crate::mesh;
use crate::percentile::median;
use crate::report::{Report, Target};

/// Where the golden events are, from here.
const GOLDEN: &str = "../contracts/golden";

/// Ends of the names of their files.
const ENDING: &str = "binpb";

/// How long one thing is done over and over, and how often: the median of the rounds counts.
const ROUND: Duration = Duration::from_millis(200);
const ROUNDS: usize = 15;
const ROUNDS_QUICK: usize = 5;

/// What validating one event may take, in nanoseconds.
const VALIDATION_MAX: f64 = 1_000.0;

/// How long a part of the mesh's rig calls, and how often on each side.
const CALLS: Duration = Duration::from_secs(3);
const CALLS_QUICK: Duration = Duration::from_millis(1_500);
const PAIRS: usize = 7;
const PAIRS_QUICK: usize = 3;

/// Who is called, in the order in which the rig has them.
const SIDES: [&str; 3] = ["bare tonic", "bare tonic with TLS", "Outcry's mesh"];

/// One event in all its forms.
struct Golden {
    topic: String,
    bytes: Bytes,
    envelope: EventEnvelope,
    payload: Box<dyn Validate>,
}

/// What is timed: a name, and what is done with each event.
type Step = (&'static str, fn(&Golden) -> bool);

/// Every step is timed over all events.
const STEPS: [Step; 5] = [
    ("encode an envelope", |golden| {
        !black_box(golden.envelope.encode_to_vec()).is_empty()
    }),
    ("decode an envelope", |golden| {
        black_box(EventEnvelope::decode(golden.bytes.clone())).is_ok()
    }),
    ("open an event (decode, validate, agree)", |golden| {
        black_box(SealedEvent::open(golden.bytes.clone())).is_ok()
    }),
    ("validate an envelope", |golden| {
        black_box(golden.envelope.validate()).is_ok()
    }),
    // As whoever seals an event does.
    (VALIDATE, |golden| {
        black_box(golden.payload.validate()).is_ok()
            && black_box(golden.envelope.validate()).is_ok()
    }),
];

/// The step that has a target.
const VALIDATE: &str = "validate an event, envelope and payload";

/// The payload as the event it is; nothing for an event that is not listed.
macro_rules! payload {
    ($topic:expr, $bytes:expr, $($event:ty),* $(,)?) => {
        $(if $topic == <$event as Event>::TOPIC {
            Some(Box::new(<$event>::decode($bytes)?) as Box<dyn Validate>)
        } else)* {
            None
        }
    };
}

/// Measures both.
pub async fn measure(quick: bool, report: &mut Report) -> anyhow::Result<()> {
    report.chapter("Events as bytes");
    let golden = golden(&Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN))?;
    report.note(format!(
        "{} golden events of {} types, {:.0} bytes each on average; nanoseconds of one event, median of the rounds",
        golden.len(),
        types(&golden),
        golden.iter().map(|one| one.bytes.len()).sum::<usize>() as f64 / golden.len() as f64
    ));
    let rounds = if quick { ROUNDS_QUICK } else { ROUNDS };
    let times = tokio::task::block_in_place(|| times(&golden, rounds))?;
    for (name, time) in times {
        let target = match name {
            VALIDATE => Target::AtMost(VALIDATION_MAX),
            _ => Target::None,
        };
        report.measure(name, time, "ns", target);
    }
    tax(quick, report).await
}

/// What calls cost over the mesh: the rig of `outcry-bench mesh`.
async fn tax(quick: bool, report: &mut Report) -> anyhow::Result<()> {
    report.chapter("Mesh, beside bare tonic");
    let (length, pairs) = match quick {
        true => (CALLS_QUICK, PAIRS_QUICK),
        false => (CALLS, PAIRS),
    };
    let cost = mesh::cost(length, pairs).await?;
    report.measure(
        "time of a call to that of bare TLS, p50",
        cost.slower,
        "",
        Target::AtMost(mesh::SLOWER_MAX),
    );
    report.measure(
        "calls/s to those of bare TLS",
        cost.kept,
        "",
        Target::AtLeast(mesh::RATE_MIN),
    );
    for (number, side) in SIDES.into_iter().enumerate() {
        let told = [
            ("1 caller, p50".to_owned(), cost.half[number], "us"),
            ("1 caller, p99".to_owned(), cost.most[number], "us"),
            (
                format!("{} callers", mesh::CALLERS),
                cost.rate[number],
                "calls/s",
            ),
        ];
        for (name, value, unit) in told {
            report.measure(format!("{side}: {name}"), value, unit, Target::None);
        }
    }
    Ok(())
}

/// All golden events.
fn golden(folder: &Path) -> anyhow::Result<Vec<Golden>> {
    let mut paths = Vec::new();
    files(folder, &mut paths)?;
    paths.sort();
    let mut golden = Vec::new();
    for path in paths {
        let bytes = Bytes::from(std::fs::read(&path)?);
        let envelope = EventEnvelope::decode(bytes.clone())
            .with_context(|| format!("reading {}", path.display()))?;
        // An event the contract has no longer is read by nobody.
        if let Some(payload) = payload(&envelope)? {
            golden.push(Golden {
                topic: envelope.event_type.clone(),
                payload,
                bytes,
                envelope,
            });
        }
    }
    ensure!(
        !golden.is_empty(),
        "no golden event in {}",
        folder.display()
    );
    Ok(golden)
}

fn payload(envelope: &EventEnvelope) -> anyhow::Result<Option<Box<dyn Validate>>> {
    let topic = envelope.event_type.as_str();
    let payload = envelope.payload.as_ref().context("no payload")?;
    let bytes = payload.value.as_slice();
    Ok(payload!(
        topic,
        bytes,
        funds::FundsDepositedEvent,
        funds::FundsLockedEvent,
        funds::FundsReleasedEvent,
        funds::FundsSettledEvent,
        funds::FundsWithdrawnEvent,
        orders::OrderCancelledEvent,
        orders::OrderCreatedEvent,
        orders::OrderExpiredEvent,
        orders::OrderFilledEvent,
        orders::OrderRejectedEvent,
        orders::OrderReplacedEvent,
        orders::OrderValidatedEvent,
        payments::PaymentCreatedEvent,
        payments::PaymentExpiredEvent,
        payments::PaymentFailedEvent,
        payments::PaymentSuccessEvent,
        reports::ReportCompletedEvent,
        reports::ReportFailedEvent,
        reports::ReportRequestedEvent,
        outcry_contracts::reports::v2::ReportRequestedEvent,
        trades::SessionChangedEvent,
        trades::TradeCancelledEvent,
        trades::TradeClosedEvent,
        trades::TradeCreatedEvent,
        trades::TradeExecutedEvent,
        trades::TradeFailedEvent,
        trades::TradePlacedEvent,
        users::UserCreatedEvent,
        users::UserLoginEvent,
        users::UserPasswordChangedEvent,
        users::UserRoleChangedEvent,
        users::UserStatusChangedEvent,
        users::UserUpdatedEvent,
    ))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == ENDING) {
            found.push(path);
        }
    }
    Ok(())
}

fn types(golden: &[Golden]) -> usize {
    let mut topics: Vec<&str> = golden.iter().map(|one| one.topic.as_str()).collect();
    topics.dedup();
    topics.len()
}

/// Nanoseconds of each step, an event.
fn times(golden: &[Golden], rounds: usize) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let mut all = vec![Vec::new(); STEPS.len()];
    for _ in 0..rounds {
        for ((name, step), times) in STEPS.iter().zip(&mut all) {
            times.push(time(golden, *step).with_context(|| format!("to {name}"))?);
        }
    }
    let names = STEPS.iter().map(|(name, _)| *name);
    Ok(names.zip(all.iter().map(|times| median(times))).collect())
}

/// Does it with every event, again and again.
fn time(golden: &[Golden], step: fn(&Golden) -> bool) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut events = 0_u64;
    while begun.elapsed() < ROUND {
        for one in golden {
            ensure!(step(black_box(one)), "a golden event is refused");
        }
        events += golden.len() as u64;
    }
    Ok(begun.elapsed().as_nanos() as f64 / events as f64)
}
