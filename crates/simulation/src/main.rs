//! Simulates the platform: `outcry-simulation --seeds 2000`, `--seed 17`, `--bugs`.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Parser;
use outcry_simulation::{Base, Bug, Outcome, Plan, Survived, shrink};

/// Runs the services against a simulated store, broker, network and clock.
#[derive(Parser)]
struct Arguments {
    /// Seeds to run, from the first one on.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Run this one seed, twice, and show what it does.
    #[arg(long)]
    seed: Option<u64>,
    /// Plant each bug in turn and see that it is found.
    #[arg(long)]
    bugs: bool,
    /// Plant this bug.
    #[arg(long, value_parser = bug)]
    bug: Option<Bug>,
    /// With `--seed`: show every event.
    #[arg(long)]
    log: bool,
    /// Go on after a seed that fails, and name all that do.
    #[arg(long)]
    keep_going: bool,
    /// Threads; none means one for each processor.
    #[arg(long)]
    threads: Option<usize>,
}

/// Runs between two signs of life.
const PROGRESS_EVERY: u64 = 100;

/// Seeds tried for a planted bug before it counts as not found.
const SEEDS_PER_BUG: u64 = 100;

fn bug(name: &str) -> Result<Bug, String> {
    let known = Bug::ALL.into_iter().find(|bug| bug.name() == name);
    known.ok_or_else(|| {
        let names: Vec<&str> = Bug::ALL.into_iter().map(Bug::name).collect();
        format!("there is no bug {name}; there are {}", names.join(", "))
    })
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if std::env::var_os("RUST_LOG").is_some() {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .without_time()
            .init();
    }
    let base = match Base::make() {
        Ok(base) => base,
        Err(error) => {
            eprintln!("{error}");
            return Ok(ExitCode::FAILURE);
        }
    };
    if let Some(seed) = arguments.seed {
        return one(&base, seed, arguments.bug, arguments.log);
    }
    if arguments.bugs {
        return every_bug(&base, arguments.from);
    }
    many(&base, &arguments)
}

/// Runs one seed and shows it.
fn one(base: &Base, seed: u64, bug: Option<Bug>, show_log: bool) -> anyhow::Result<ExitCode> {
    let plan = Plan::draw(seed);
    println!("{plan:#?}");
    let began = Instant::now();
    let outcome = base.run(&plan, bug)?;
    println!(
        "seed {seed}: {} events, {:?}, answers {:?}, {:?}",
        outcome.events,
        outcome.survived,
        outcome.answers,
        began.elapsed()
    );
    let again = base.run(&plan, bug)?;
    if again.digest == outcome.digest {
        println!("the same events when run again");
    } else {
        println!("NOT the same events when run again:");
        let mut pairs = outcome.log.iter().zip(&again.log);
        if let Some((first, second)) = pairs.find(|(first, second)| first != second) {
            println!("  first  {first}\n  second {second}");
        }
    }
    if show_log {
        for line in &outcome.log {
            println!("{line}");
        }
    }
    for breach in &outcome.breaches {
        println!("{breach}");
    }
    if outcome.breaches.is_empty() && again.digest == outcome.digest {
        return Ok(ExitCode::SUCCESS);
    }
    cut_down(base, &plan, bug, &outcome);
    Ok(ExitCode::FAILURE)
}

/// Looks for a smaller plan that breaks the same invariant, and shows it.
fn cut_down(base: &Base, plan: &Plan, bug: Option<Bug>, outcome: &Outcome) {
    let Some(first) = outcome.breaches.first() else {
        return;
    };
    let wanted = invariant(first);
    let fails = |plan: &Plan| {
        base.run(plan, bug).is_ok_and(|outcome| {
            let mut breaches = outcome.breaches.iter();
            breaches.any(|breach| invariant(breach) == wanted)
        })
    };
    let (small, tries) = shrink(plan, fails);
    println!(
        "cut down from {} to {} parts in {tries} runs: {small:#?}",
        plan.size(),
        small.size()
    );
}

fn invariant(breach: &str) -> &str {
    breach.split(':').next().unwrap_or(breach)
}

/// Plants every bug until it is found.
fn every_bug(base: &Base, from: u64) -> anyhow::Result<ExitCode> {
    let mut missed = 0;
    for bug in Bug::ALL {
        let mut found = None;
        for seed in from..from + SEEDS_PER_BUG {
            let outcome = base.run(&Plan::draw(seed), Some(bug))?;
            let breach = outcome
                .breaches
                .iter()
                .find(|breach| invariant(breach) == bug.breaks());
            if let Some(breach) = breach {
                found = Some((seed, breach.clone()));
                break;
            }
        }
        match found {
            Some((seed, breach)) => println!("{:<24} seed {seed:<4} {breach}", bug.name()),
            None => {
                missed += 1;
                println!("{:<24} NOT FOUND ({})", bug.name(), bug.breaks());
            }
        }
    }
    Ok(if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs many seeds at once; the first that fails is cut down and shown.
fn many(base: &Base, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let threads = match arguments.threads {
        Some(threads) => threads,
        None => std::thread::available_parallelism()?.get(),
    };
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from + arguments.seeds;
    let failed = AtomicBool::new(false);
    let failures = AtomicU64::new(0);
    let total = Mutex::new((0u64, 0u64, Survived::default()));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || failed.load(Ordering::Relaxed) {
                        return;
                    }
                    let plan = Plan::draw(seed);
                    let outcome = match base.run(&plan, arguments.bug) {
                        Ok(outcome) => outcome,
                        Err(error) => {
                            println!("seed {seed}: {error}");
                            failed.store(true, Ordering::Relaxed);
                            return;
                        }
                    };
                    if outcome.breaches.is_empty() {
                        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                        total.0 += 1;
                        total.1 += outcome.events;
                        total.2 += outcome.survived;
                        if total.0.is_multiple_of(PROGRESS_EVERY) {
                            eprintln!("{} of {} runs", total.0, arguments.seeds);
                        }
                        continue;
                    }
                    println!("seed {seed} fails:");
                    for breach in &outcome.breaches {
                        println!("  {breach}");
                    }
                    if arguments.keep_going {
                        failures.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    if failed.swap(true, Ordering::Relaxed) {
                        return;
                    }
                    cut_down(base, &plan, arguments.bug, &outcome);
                    println!("again: cargo xtask simulate --seed {seed}");
                }
            });
        }
    });
    let (runs, events, survived) = *total.lock().unwrap_or_else(PoisonError::into_inner);
    println!(
        "{runs} runs in {:.1?}: {events} events, {} crashes, {} duplicates, {} partitions, {} losses, {} slow times survived",
        began.elapsed(),
        survived.crashes,
        survived.duplicates,
        survived.partitions,
        survived.losses,
        survived.slow,
    );
    let failures = failures.load(Ordering::Relaxed);
    if failures > 0 {
        println!("{failures} seeds fail");
    }
    Ok(if failures > 0 || failed.load(Ordering::Relaxed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
