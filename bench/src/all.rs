//! Every chapter of the benchmark in one run, with one report.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::database::connect;
use crate::peers::Peers;
use crate::report::{Report, Target};
use crate::verdict::verdict;
use crate::{
    console, consume, envelope, footprint, growth, orders, outbox_peers, publish, soak, venue,
};

/// Time of a chapter when it is not a quick run.
const FULL_BUDGET: Duration = Duration::from_secs(4 * 60 * 60);

/// Seconds that a quick run may take, without what is built before it.
const QUICK_MAX: f64 = 900.0;

/// Settings of the benchmark.
#[derive(clap::Args)]
pub struct Arguments {
    /// Fewer rounds and rows: all of it within 15 minutes on two cores
    #[arg(long)]
    quick: bool,
    /// Where the report is written, in Markdown, and beside it in JSON; with `--only`, into the one that is there
    #[arg(long)]
    report: Option<PathBuf>,
    /// Only these chapters
    #[arg(long, value_enum)]
    only: Vec<Chapter>,
}

/// What is measured, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Chapter {
    /// Publishing, confirmed and routed
    Publish,
    /// Consuming through an inbox
    Consume,
    /// From the commit to the arrival
    Outbox,
    /// From an order to its settlement
    Orders,
    /// The order book by itself
    Venue,
    /// Events as bytes, and calls over the mesh
    Envelope,
    /// Large stores, and more replicas
    Growth,
    /// What the platform takes of a machine
    Footprint,
    /// The console in a browser; in a quick run only when it is named, and shorter
    Console,
    /// Half an hour of it; in a quick run only when it is named, and shorter
    Soak,
}

// === impl Chapter ===

impl Chapter {
    /// How long it may take. All of them together take less than 15 minutes when quick.
    fn budget(self, quick: bool) -> Duration {
        if !quick {
            return FULL_BUDGET;
        }
        Duration::from_secs(match self {
            Self::Publish | Self::Consume | Self::Growth => 95,
            Self::Outbox => 260,
            Self::Orders => 210,
            Self::Venue | Self::Envelope => 30,
            Self::Footprint => 60,
            Self::Console => 180,
            Self::Soak => 300,
        })
    }

    /// Whether a run has it when nobody names it.
    fn is_usual(self, quick: bool) -> bool {
        !(quick && matches!(self, Self::Console | Self::Soak))
    }

    /// Whether it needs the peers' programs.
    fn has_peers(self) -> bool {
        matches!(self, Self::Publish | Self::Consume | Self::Outbox)
    }

    async fn measure(self, quick: bool, peers: &Peers, report: &mut Report) -> anyhow::Result<()> {
        match self {
            Self::Publish => publish::measure(quick, peers, report).await,
            Self::Consume => consume::measure(quick, peers, report).await,
            Self::Outbox => outbox_peers::measure(quick, peers, report).await,
            Self::Orders => orders::measure(quick, report).await,
            Self::Venue => venue::measure(quick, report).await,
            Self::Envelope => envelope::measure(quick, report).await,
            Self::Growth => growth::measure(quick, report).await,
            Self::Footprint => footprint::measure(quick, report).await,
            Self::Console => console::measure(quick, report).await,
            Self::Soak => soak::measure(quick, report).await,
        }
    }
}

/// Measures all chapters, prints as it goes, and fails when a target is missed.
pub async fn measure(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let quick = arguments.quick;
    let chapters = Chapter::value_variants().iter().copied();
    let chapters: Vec<_> = chapters
        .filter(|chapter| match arguments.only.as_slice() {
            [] => chapter.is_usual(quick),
            named => named.contains(chapter),
        })
        .collect();
    let mut report = begin(arguments)?;
    tell_machine(arguments, &mut report);
    let building = Instant::now();
    let peers = if chapters.iter().any(|chapter| chapter.has_peers()) {
        tell_servers(&mut report).await?;
        Peers::build().await
    } else {
        Peers::none()
    };
    let built = building.elapsed();
    let begun = Instant::now();
    for chapter in chapters {
        let chapter_begun = Instant::now();
        let budget = chapter.budget(quick);
        let measuring = Box::pin(chapter.measure(quick, &peers, &mut report));
        let outcome = tokio::time::timeout(budget, measuring).await;
        let broken = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some(format!("it took longer than {budget:?}")),
        };
        if let Some(why) = broken {
            report.missing(format!("all of {chapter:?}"), Target::None, why);
        }
        eprintln!("{chapter:?}: {} s", chapter_begun.elapsed().as_secs());
        // What there is, should a later chapter end everything.
        if let Some(path) = &arguments.report {
            report.write(path)?;
        }
    }
    if arguments.only.is_empty() {
        tell_run(quick, begun.elapsed(), built, &mut report);
    }
    if let Some(path) = &arguments.report {
        report.write(path)?;
        println!("written to {}", path.display());
    }
    Ok(verdict(report.short(), report.judged()))
}

/// How long all of it took.
fn tell_run(quick: bool, chapters: Duration, peers: Duration, report: &mut Report) {
    report.chapter("The run itself");
    let limit = match quick {
        true => Target::AtMost(QUICK_MAX),
        false => Target::None,
    };
    report.measure("all chapters", chapters.as_secs_f64(), "s", limit);
    report.measure(
        "peers, built before",
        peers.as_secs_f64(),
        "s",
        Target::None,
    );
}

/// A new report, or the one that some of its chapters are measured again for.
fn begin(arguments: &Arguments) -> anyhow::Result<Report> {
    let revision = printed("git", &["rev-parse", "--short", "HEAD"]);
    let revision = revision.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
    let subject = format!("{revision} on {}", processor());
    let before = arguments
        .report
        .as_ref()
        .map(|path| path.with_extension("json"));
    match before {
        Some(json) if !arguments.only.is_empty() && json.exists() => Report::resume(&json, subject),
        _ => Ok(Report::new(subject)),
    }
}

/// What the machine is, and what was run on it.
fn tell_machine(arguments: &Arguments, report: &mut Report) {
    let mut command = "cargo xtask bench".to_owned();
    if arguments.quick {
        command += " --quick";
    }
    for chapter in &arguments.only {
        command += &format!(" --only {chapter:?}").to_lowercase();
    }
    report.fact("command", command);
    report.fact("outcry", env!("CARGO_PKG_VERSION"));
    if let Some(version) = printed("rustc", &["--version"]) {
        report.fact("compiler", version);
    }
    report.fact("processor", processor());
    if let Some(memory) = field(&read("/proc/meminfo"), "MemTotal") {
        report.fact("memory", memory);
    }
    let kernel = read("/proc/sys/kernel/osrelease");
    report.fact("system", format!("Linux {}", kernel.trim()));
    if cfg!(debug_assertions) {
        report.fact("build", "without optimisation: the numbers mean nothing");
    }
}

/// The processor's name, and how many cores there are.
fn processor() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    match field(&read("/proc/cpuinfo"), "model name") {
        Some(name) => format!("{name}, {cores} cores"),
        None => format!("{cores} cores"),
    }
}

/// What a file says; nothing when it cannot be read.
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Versions of the servers.
async fn tell_servers(report: &mut Report) -> anyhow::Result<()> {
    let (postgres, rabbit) = tokio::try_join!(
        outcry_servers::Postgres::start(),
        outcry_servers::RabbitMq::start()
    )?;
    let client = connect(&postgres.url()).await?;
    let version = client.query_one("SHOW server_version", &[]).await?;
    report.fact("PostgreSQL", version.get::<_, String>(0));
    let overview = rabbit.get("/api/overview").await?;
    for (name, key) in [
        ("RabbitMQ", "rabbitmq_version"),
        ("Erlang", "erlang_version"),
    ] {
        if let Some(version) = overview.get(key).and_then(|version| version.as_str()) {
            report.fact(name, version);
        }
    }
    Ok(())
}

/// The value of the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    })
}

/// What a program prints; none when it cannot.
fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_run_takes_less_than_fifteen_minutes() {
        let chapters = Chapter::value_variants().iter();
        let usual = chapters.filter(|chapter| chapter.is_usual(true));
        let all: Duration = usual.map(|chapter| chapter.budget(true)).sum();
        assert!(all.as_secs_f64() < QUICK_MAX, "{all:?}");
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "model name more: no\nmodel name\t: A Processor\n";
        assert_eq!(field(text, "model name").unwrap(), "A Processor");
        assert_eq!(field(text, "model"), None);
    }
}
