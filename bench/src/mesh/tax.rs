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
const CALLERS: usize = 64;

/// How long each has before anything is measured, in milliseconds.
const WARM_UP: u64 = 1_000;

/// How much longer half of the calls of one caller may take, and the part of the throughput there must be.
const SLOWER_MAX: f64 = 1.25;
const RATE_MIN: f64 = 0.80;

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

/// All measures.
pub async fn measure(setting: &Setting) -> anyhow::Result<Vec<Row>> {
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
    let mut rows = judge(&all);
    let mut resident = Vec::new();
    for process in &processes {
        resident.push(process.resident().await?);
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

fn judge(all: &[Measured; 3]) -> Vec<Row> {
    let medians = |of: fn(&Measured) -> &Vec<f64>| all.each_ref().map(|one| median(of(one)));
    let half = medians(|one| &one.half);
    let most = medians(|one| &one.most);
    let rate = medians(|one| &one.rate);
    // Each round by itself: what disturbed one side of it most probably disturbed the other, too.
    let ratios = |of: fn(&Measured) -> &Vec<f64>| {
        let pairs = of(&all[2]).iter().zip(of(&all[1]));
        median(&pairs.map(|(full, tls)| full / tls).collect::<Vec<_>>())
    };
    let (slower, kept) = (ratios(|one| &one.half), ratios(|one| &one.rate));
    let rounds = all[2].half.len();
    let microseconds = |value: f64| format!("{value:.0} us");
    vec![
        Row::judged(
            RIG,
            format!("1 caller, p50, median of {rounds} rounds"),
            beside(&half, microseconds),
            format!("<= {SLOWER_MAX}x of TLS (is {slower:.2}x)"),
            slower <= SLOWER_MAX,
        ),
        Row::told(RIG, "1 caller, p99", beside(&most, microseconds)),
        Row::judged(
            RIG,
            format!("{CALLERS} callers, calls/s"),
            beside(&rate, |value| format!("{value:.0}")),
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
        let before = calls.resident().await?;
        calls
            .ask(&format!("connect {CHANNELS} {addresses}"))
            .await?;
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let channels = CHANNELS as f64;
        costs.push((calls.resident().await? - before) / channels);
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
