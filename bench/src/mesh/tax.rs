//! What everything costs: the same calls with all there is and over bare tonic, in turns.

use super::Setting;
use super::child::Process;
use super::side::{Kind, Side};
use super::table::Row;
use crate::percentile::median;

const RIG: &str = "tax";

/// All sides, in the order in which they first have their turn.
const KINDS: [Kind; 3] = [Kind::Plain, Kind::Tls, Kind::Outcry];

/// Callers of the second measure.
pub const CALLERS: usize = 64;

/// How long each has before anything is measured, in milliseconds.
const WARM_UP: u64 = 1_000;

/// How much longer half of the calls of one caller may take, and the part of the throughput there must be.
pub const SLOWER_MAX: f64 = 1.25;
pub const RATE_MIN: f64 = 0.80;

/// Channels that are made to see what they cost, each with so many endpoints.
const CHANNELS: usize = 16;
const ENDPOINTS: usize = 10;

/// Memory one such channel may cost at the side that calls, in KiB.
const CHANNEL_KIB_MAX: f64 = 1_024.0;

/// What was measured of one side, round by round.
#[derive(Default)]
struct Measured {
    half: Vec<f64>,
    most: Vec<f64>,
    rate: Vec<f64>,
}

/// What calls came to: medians of all rounds, on all sides.
pub struct Cost {
    /// Microseconds that half of the calls of one caller did not exceed.
    pub half: [f64; KINDS.len()],
    /// Those that ninety-nine of a hundred did not.
    pub most: [f64; KINDS.len()],
    /// Calls a second of many callers.
    pub rate: [f64; KINDS.len()],
    /// How many times as long half of the calls take as over bare TLS.
    pub slower: f64,
    /// The part of the calls a second that bare TLS answers.
    pub kept: f64,
    rounds: usize,
}

/// All measures.
pub async fn measure(setting: &Setting) -> anyhow::Result<Vec<Row>> {
    let (cost, processes) = call(setting).await?;
    let mut rows = judge(&cost);
    let mut resident = Vec::new();
    for process in &processes {
        resident.push(process.resident()?);
    }
    drop(processes);
    rows.push(Row::told(
        RIG,
        "memory of a process that serves and calls",
        beside(&resident, |kib| format!("{:.1} MiB", kib / 1_024.0)),
    ));
    rows.push(memory(setting).await?);
    Ok(rows)
}

/// Calls on all sides in turns, and the processes that did.
pub async fn call(setting: &Setting) -> anyhow::Result<(Cost, Vec<Process>)> {
    let mut processes = Vec::new();
    for kind in KINDS {
        let mut process = Process::start(&Side::new(kind, &setting.identities)?)?;
        let address = process.ask("serve 1").await?;
        process.ask(&format!("connect 1 {address}")).await?;
        process.ask(&format!("call {CALLERS} {WARM_UP}")).await?;
        processes.push(process);
    }
    let mut all = [(); KINDS.len()].map(|()| Measured::default());
    let milliseconds = setting.length.as_millis() / 3;
    for round in 0..setting.pairs {
        for place in 0..KINDS.len() {
            // Whoever comes first in one round comes later in the next.
            let number = (place + round) % KINDS.len();
            let (process, measured) = (&mut processes[number], &mut all[number]);
            let alone = process.numbers(&format!("call 1 {milliseconds}")).await?;
            let many = process
                .numbers(&format!("call {CALLERS} {milliseconds}"))
                .await?;
            if let ([_, half, most], [rate, ..]) = (alone.as_slice(), many.as_slice()) {
                measured.half.push(*half);
                measured.most.push(*most);
                measured.rate.push(*rate);
            }
        }
    }
    Ok((Cost::of(&all), processes))
}

// === impl Cost ===

impl Cost {
    fn of(all: &[Measured; KINDS.len()]) -> Self {
        let medians = |of: fn(&Measured) -> &Vec<f64>| all.each_ref().map(|one| median(of(one)));
        // Each round by itself: what disturbed one side of it most probably disturbed the other, too.
        let ratios = |of: fn(&Measured) -> &Vec<f64>| {
            let pairs = of(&all[2]).iter().zip(of(&all[1]));
            median(&pairs.map(|(full, tls)| full / tls).collect::<Vec<_>>())
        };
        Self {
            half: medians(|one| &one.half),
            most: medians(|one| &one.most),
            rate: medians(|one| &one.rate),
            slower: ratios(|one| &one.half),
            kept: ratios(|one| &one.rate),
            rounds: all[2].half.len(),
        }
    }
}

fn judge(cost: &Cost) -> Vec<Row> {
    let Cost { slower, kept, .. } = *cost;
    let microseconds = |value: f64| format!("{value:.0} us");
    vec![
        Row::judged(
            RIG,
            format!("1 caller, p50, median of {} rounds", cost.rounds),
            beside(&cost.half, microseconds),
            format!("<= {SLOWER_MAX}x of TLS (is {slower:.2}x)"),
            slower <= SLOWER_MAX,
        ),
        Row::told(RIG, "1 caller, p99", beside(&cost.most, microseconds)),
        Row::judged(
            RIG,
            format!("{CALLERS} callers, calls/s"),
            beside(&cost.rate, |value| format!("{value:.0}")),
            format!(">= {RATE_MIN:.2}x of TLS (is {kept:.2}x)"),
            kept >= RATE_MIN,
        ),
    ]
}

/// Both bare sides in one cell, Outcry in the other.
fn beside(values: &[f64], tell: impl Fn(f64) -> String) -> [String; 2] {
    let [plain, tls, outcry] = [0, 1, 2].map(|number| tell(values[number]));
    [format!("{plain} h2c, {tls} TLS"), outcry]
}

/// What channels cost the process that calls.
async fn memory(setting: &Setting) -> anyhow::Result<Row> {
    let mut costs = Vec::new();
    for kind in KINDS {
        let side = Side::new(kind, &setting.identities)?;
        let mut serves = Process::start(&side)?;
        let addresses = serves.ask(&format!("serve {ENDPOINTS}")).await?;
        let mut calls = Process::start(&side)?;
        // The first channel also brings what all of them share.
        calls.ask(&format!("connect 1 {addresses}")).await?;
        let before = calls.resident()?;
        calls
            .ask(&format!("connect {CHANNELS} {addresses}"))
            .await?;
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let channels = CHANNELS as f64;
        costs.push((calls.resident()? - before) / channels);
    }
    let outcry = costs[2];
    Ok(Row::judged(
        RIG,
        format!("memory of a channel of {ENDPOINTS} endpoints"),
        beside(&costs, |kib| format!("{kib:.0} KiB")),
        format!("<= {CHANNEL_KIB_MAX:.0} KiB"),
        outcry <= CHANNEL_KIB_MAX,
    ))
}
