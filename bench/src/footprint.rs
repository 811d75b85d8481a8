//! What the platform takes of a machine, and how soon it is there.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use outcry_contracts::orders::v1::order_service_client::OrderServiceClient;
use outcry_contracts::orders::v1::{GetOrderRequest, OrderStatus, Side};
use tokio::process::Command;

use crate::memory::{open_files, resident};
use crate::orders::crowd::{Answered, place};
use crate::orders::installation::{self, Installation};
use crate::orders::people::Person;
use crate::percentile::{median, milliseconds};
use crate::report::{Report, Target};

/// How long a platform is idle before its memory is looked at.
const IDLE: Duration = Duration::from_secs(10);

/// How often it is started with nothing in it.
const STARTS: usize = 5;
const STARTS_QUICK: usize = 3;

/// What is traded first.
const SYMBOL: &str = "AAPL";

/// How long the first fill may take.
const FILLED_MAX: Duration = Duration::from_secs(30);

/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(2);

/// How soon a platform was there, in milliseconds.
#[derive(Default)]
struct Starts {
    listening: Vec<f64>,
    filled: Vec<f64>,
    idle: Vec<f64>,
}

/// Measures all of it.
pub async fn measure(quick: bool, report: &mut Report) -> anyhow::Result<()> {
    report.chapter("Footprint");
    let binary = installation::binary()?;
    let bytes = std::fs::metadata(&binary)?.len();
    report.measure("binary, as built", bytes as f64 / 1e6, "MB", Target::None);
    match stripped(&binary).await {
        Ok(bytes) => {
            let size = bytes as f64 / 1e6;
            report.measure("binary, stripped", size, "MB", Target::None);
        }
        Err(error) => report.note(format!("the binary was not stripped: {error:#}")),
    }
    idle(report).await?;
    let mut starts = Starts::default();
    let times = if quick { STARTS_QUICK } else { STARTS };
    for _ in 0..times {
        starts.once().await?;
    }
    starts.tell(report);
    if quick {
        report.note("the clean build is timed in the full run only");
        return Ok(());
    }
    report.measure("clean build, release", build().await?, "s", Target::None);
    report.note("the build begins with nothing but the fetched sources of packages, and is not linked for debugging");
    Ok(())
}

/// What is left of the binary without its symbols.
async fn stripped(binary: &Path) -> anyhow::Result<u64> {
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("outcry");
    let mut command = Command::new("strip");
    let strip = command.arg("-o").arg(&copy).arg(binary).status();
    ensure!(
        strip.await.context("running strip")?.success(),
        "strip failed"
    );
    Ok(std::fs::metadata(copy)?.len())
}

/// Memory of a platform that nobody uses.
async fn idle(report: &mut Report) -> anyhow::Result<()> {
    let platform = Installation::start().await?;
    tokio::time::sleep(IDLE).await;
    let process = platform.process()?;
    let (memory, files) = (resident(process)?, open_files(process)?);
    let name = format!("memory, idle for {} s", IDLE.as_secs());
    report.measure(name, memory, "MiB", Target::None);
    report.measure("open files, idle", files as f64, "", Target::None);
    platform.stop().await
}

// === impl Starts ===

impl Starts {
    /// Starts a platform with nothing in it, and trades as soon as that is possible.
    async fn once(&mut self) -> anyhow::Result<()> {
        let platform = Installation::start().await?;
        let listening = platform.begun.elapsed();
        let site = &platform.site;
        let admin = Person::administrator(site).await?;
        let seller = Person::come(site, &admin, "seller", SYMBOL).await?;
        let buyer = Person::come(site, &admin, "buyer", SYMBOL).await?;
        place(&seller, SYMBOL, Side::Sell).await?;
        let purchase = place(&buyer, SYMBOL, Side::Buy).await?;
        until_filled(&buyer, &purchase).await?;
        self.listening.push(milliseconds(listening));
        self.filled.push(milliseconds(platform.begun.elapsed()));
        self.idle.push(resident(platform.process()?)?);
        platform.stop().await
    }

    fn tell(&self, report: &mut Report) {
        let told = [
            ("cold start to listening", &self.listening, "ms"),
            ("cold start to the first filled order", &self.filled, "ms"),
            ("memory after the first filled order", &self.idle, "MiB"),
        ];
        for (name, values, unit) in told {
            report.measure(name, median(values), unit, Target::None);
        }
        report.note(format!(
            "medians of {} starts in empty folders; to the first filled order two users register, sign in, get shares \
             and cash, and trade",
            self.filled.len()
        ));
    }
}

async fn until_filled(buyer: &Person, purchase: &Answered) -> anyhow::Result<()> {
    let mut orders = OrderServiceClient::new(buyer.signed.clone());
    let mut status = purchase.order.status();
    let end = Instant::now() + FILLED_MAX;
    while status != OrderStatus::Filled {
        ensure!(Instant::now() < end, "the first order was not filled");
        tokio::time::sleep(LOOK).await;
        let request = GetOrderRequest {
            order_id: purchase.order.order_id.clone(),
        };
        let reply = orders.get_order(request).await?.into_inner();
        status = reply.order.context("no order was answered")?.status();
    }
    Ok(())
}

/// Seconds of a build that finds nothing built.
async fn build() -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let begun = Instant::now();
    let output = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--locked",
            "--offline",
            "--package",
            "outcry",
        ])
        .arg("--target-dir")
        .arg(folder.path())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stdin(Stdio::null())
        .output()
        .await
        .context("running cargo")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the build failed: {complaint}");
    Ok(begun.elapsed().as_secs_f64())
}
