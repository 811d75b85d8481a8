//! `outcry doctor`: what is wrong with an installation, and how to mend it. Changes nothing.
//!
//! Each part has facts, which are gathered, and a judgement of them, which is pure:
//! - [`finding`] – what a judgement comes to
//! - [`configuration`], [`folder`], [`ports`] – this machine
//! - [`broker`], [`database`] – what services of several processes meet in
//! - [`certificates`] – who this process is to others, for how long
//! - [`platform`] – a running one
//! - [`clocks`] – this machine's clock beside others

mod broker;
mod certificates;
mod clocks;
mod configuration;
mod database;
mod finding;
mod folder;
mod platform;
mod ports;

use std::process::ExitCode;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::arguments::Doctor;
use crate::config::Config;
use crate::output::{Output, Paint};
use crate::services::NAMES;

use finding::{Finding, Mark, Report};

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `outcry doctor`. Exits with 1 when something is wrong.
///
/// # Errors
/// The findings cannot be printed; everything else is one of them.
pub async fn run(asked: Doctor, out: Output) -> anyhow::Result<ExitCode> {
    let waiting = out.waiting("looking at this installation");
    let report = examine(&asked).await;
    waiting.finish_and_clear();
    if out.is_json() {
        out.document(&as_json(&report))?;
    } else {
        print(&report, out)?;
    }
    Ok(if report.is_well(asked.strict) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn examine(asked: &Doctor) -> Report {
    let services: Vec<&'static str> = NAMES
        .into_iter()
        .filter(|name| asked.services.is_empty() || asked.services.iter().any(|one| one == name))
        .collect();
    let mut report = Report::default();
    let config = match Config::load(&asked.target.settings) {
        Ok(config) => config,
        Err(error) => {
            let mend =
                "correct it; `outcry config` without a configuration prints every key there is";
            report.add([Finding::failed("configuration", format!("{error:#}"), mend)]);
            return report;
        }
    };
    report.add(configuration::judge(&config, &services));
    report.add(folder::judge(&folder::gather(&config).await));
    report.add(ports::judge(&ports::gather(&config, &services).await));
    report.add(broker::judge(&broker::gather(&config).await));
    let database = database::gather(&config, &services).await;
    report.add(database::judge(&database));
    let own = certificates::gather(&config, &services);
    report.add(certificates::judge(&own, SystemTime::now()));
    let running = platform::gather(&asked.target, &config).await;
    report.add(platform::judge(&running, VERSION));
    let seen = clocks::of(&database, &running);
    report.add(clocks::judge(&seen));
    report
}

fn as_json(report: &Report) -> Value {
    json!({
        "version": VERSION,
        "ok": report.count(Mark::Ok),
        "warnings": report.count(Mark::Warning),
        "failed": report.count(Mark::Failed),
        "findings": report.findings,
    })
}

fn print(report: &Report, out: Output) -> anyhow::Result<()> {
    for finding in &report.findings {
        let (sign, paint) = match finding.mark {
            Mark::Ok => ("ok     ", Paint::Good),
            Mark::Warning => ("warning", Paint::Doubtful),
            Mark::Failed => ("FAILED ", Paint::Bad),
        };
        let sign = out.paint(paint, sign);
        out.line(format_args!(
            "{sign}  {:<13}  {}",
            finding.area, finding.says
        ))?;
        if let Some(mend) = &finding.mend {
            out.line(format_args!(
                "{:24}{} {mend}",
                "",
                out.paint(Paint::Dim, "→")
            ))?;
        }
    }
    out.line(format_args!(
        "\n{} ok, {} to look at, {} to mend",
        report.count(Mark::Ok),
        report.count(Mark::Warning),
        report.count(Mark::Failed)
    ))
}
