//! Private PostgreSQL, RabbitMQ, mail and Kubernetes servers for tests, and a proxy to cut the way
//! to them.
//!
//! Owns: folders in the temporary directory, and the processes that run in them. Only tests
//! depend on this crate.
//!
//! Rooms, in reading order:
//! - [`postgres`], [`rabbitmq`], [`smtp`], [`kubernetes`] – the servers
//! - [`proxy`] – a way to a server that can be cut
//! - [`error`] – what can go wrong
//! - `sandbox` – a folder, the processes that run in it, and how both go away
//! - `tree` – all processes below one
//! - `management` – RabbitMQ's HTTP interface
//! - `account`, `programs`, `ports`, `secret` – whom servers run as, where they are installed,
//!   where they listen, what keeps others out
//!
//! Invariants:
//! 1. Servers listen on loopback only, those that give anything away with a password nobody else
//!    knows.
//! 2. They share nothing with each other or with servers of the system: no folder, no port, no
//!    port mapper, no cookie.
//! 3. When the process that started them ends, in whatever way, they end and their folder goes.
//! 4. A killed server has been killed with everything below it: nothing it began is finished.

pub mod error;
pub mod kubernetes;
pub mod postgres;
pub mod proxy;
pub mod rabbitmq;
pub mod smtp;

mod account;
mod management;
mod ports;
mod programs;
mod sandbox;
mod secret;
mod tree;

use tokio::sync::OnceCell;

pub use error::ServerError;
pub use kubernetes::{Kubernetes, KubernetesPrograms, SigningKey};
pub use postgres::Postgres;
pub use proxy::Proxy;
pub use rabbitmq::RabbitMq;
pub use smtp::Smtp;

/// Says that a machine has no servers and that tests which need them shall not be run.
const WITHOUT_SERVERS: &str = "OUTCRY_WITHOUT_SERVERS";

/// Whether tests that need servers shall be run; `false` only with `OUTCRY_WITHOUT_SERVERS=1`.
///
/// A test that needs one begins with
/// `if !outcry_servers::present() { return; }`; why it is not run is printed here.
///
/// # Panics
/// When servers are expected and not installed, with what to install.
#[must_use]
pub fn present() -> bool {
    if left_out() {
        return false;
    }
    let missing = missing();
    assert!(
        missing.is_empty(),
        "{} not found: install postgresql and rabbitmq-server (cargo xtask test does it on \
         Debian and Ubuntu), or set {WITHOUT_SERVERS}=1 to leave out tests that need them",
        missing.join(" and ")
    );
    true
}

/// Whether tests that need servers are left out, which is printed.
fn left_out() -> bool {
    let left_out = std::env::var_os(WITHOUT_SERVERS).is_some_and(|value| value == "1");
    if left_out {
        eprintln!("not run: {WITHOUT_SERVERS}=1 says that this machine has no servers");
    }
    left_out
}

/// What tests need and is not installed.
#[must_use]
pub fn missing() -> Vec<&'static str> {
    programs::missing()
}

/// One PostgreSQL for all tests of a test binary; each makes its own database in it.
///
/// It must not be killed, paused or stopped: others use it at the same time.
///
/// # Errors
/// When it cannot be started; the next call tries again.
pub async fn shared_postgres() -> Result<&'static Postgres, ServerError> {
    static SHARED: OnceCell<Postgres> = OnceCell::const_new();
    SHARED.get_or_try_init(Postgres::start).await
}

/// One RabbitMQ for all tests of a test binary; each makes its own virtual host in it.
///
/// It must not be killed, paused or stopped: others use it at the same time.
///
/// # Errors
/// When it cannot be started; the next call tries again.
pub async fn shared_rabbitmq() -> Result<&'static RabbitMq, ServerError> {
    static SHARED: OnceCell<RabbitMq> = OnceCell::const_new();
    SHARED.get_or_try_init(RabbitMq::start).await
}
