//! The work of the benchmark's peers in Rust: `peers <job> --key value …`.

mod driver;
mod hexeract_event;
mod hexeract_relay;
mod hexeract_write;
mod lapin_consume;
mod lapin_publish;
mod latency;
mod options;

use std::process::ExitCode;

use driver::Driver;
use options::Options;

/// Why a job ended early: told once on stderr, so nobody asks which kind it is.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .init();
    let code = match run().await {
        Ok(()) => 0,
        Err(error) => {
            let mut causes = vec![error.to_string()];
            let mut source = error.source();
            while let Some(cause) = source {
                causes.push(cause.to_string());
                source = cause.source();
            }
            eprintln!("{}", causes.join(": "));
            1
        }
    };
    // Not by return: a read of stdin that has begun would hold the runtime until the driver ends.
    std::process::exit(code)
}

async fn run() -> Result<(), Failure> {
    let (job, options) = Options::read(std::env::args().skip(1))?;
    let driver = Driver::new();
    match job.as_str() {
        "lapin-publish" => lapin_publish::run(&options, driver).await,
        "lapin-consume" => lapin_consume::run(&options, driver).await,
        "hexeract-outbox-relay" => hexeract_relay::run(&options, driver).await,
        "hexeract-outbox-write" => hexeract_write::run(&options, driver).await,
        _ => Err(format!("there is no job {job}").into()),
    }
}
