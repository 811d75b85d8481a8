//! For stories and decider tests: a whole platform in a folder, a settable clock, a way to wait.
//!
//! ```text
//! let folder = tempfile::tempdir().unwrap();
//! let mut platform = Platform::open(folder.path()).await;
//! let ctx = platform.context("orders").await;
//! platform.start([(ctx.clone(), outcry_orders::service(ctx, Config::default())?)]).await;
//! let mut orders = OrderServiceClient::new(platform.user("u-1", "orders"));
//! let order = orders.place_order(request).await?;
//! eventually("the order is filled", async || is_filled(&order).await).await;
//! let platform = platform.restart().await;
//! ```
//!
//! Everything here panics instead of returning errors: a story that cannot go on is a failed test.

mod caller;
mod decisions;
mod fake_clock;
mod platform;
mod replica;
mod waiting;

pub use caller::Caller;
pub use decisions::{Given, When, given};
pub use fake_clock::FakeClock;
pub use platform::Platform;
pub use replica::Replica;
pub use waiting::{eventually, found};
