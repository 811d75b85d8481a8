//! What can be typed to trade.

use clap::{Args, Subcommand, ValueEnum};
use outcry_contracts::orders::v1::{Side, TimeInForce};
use outcry_events::Amount;
use uuid::Uuid;

use super::Target;

/// `outcry account`
#[derive(Debug, Subcommand)]
pub enum Account {
    /// Register a user, by --email and the password in OUTCRY_PASSWORD, and open its account.
    Register(AccountRegister),
    /// Show cash and shares.
    Show(AccountShow),
    /// Put money in, and wait until it is there.
    Deposit(AccountDeposit),
}

/// `outcry account register`
#[derive(Debug, Args)]
pub struct AccountRegister {
    /// Name for people; the e-mail address when left out.
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    pub target: Target,
}

/// `outcry account show`
#[derive(Debug, Args)]
pub struct AccountShow {
    #[command(flatten)]
    pub target: Target,
}

/// `outcry account deposit`
#[derive(Debug, Args)]
pub struct AccountDeposit {
    /// How much, for example `1000` or `99.50`.
    pub amount: Amount,
    #[command(flatten)]
    pub repeat: Repeat,
    #[command(flatten)]
    pub target: Target,
}

/// `outcry orders`
#[derive(Debug, Subcommand)]
pub enum Orders {
    /// Place an order: at the market, or with a limit, or asleep until a stop price.
    Place(OrdersPlace),
    /// List orders, newest first.
    List(OrdersList),
    /// Show one order.
    Show(OrdersShow),
    /// Cancel an order.
    Cancel(OrdersCancel),
}

/// `outcry orders place`
#[derive(Debug, Args)]
pub struct OrdersPlace {
    /// Which way.
    pub side: Way,
    /// Shares.
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    pub quantity: i64,
    /// What to trade, for example `MSFT`.
    pub symbol: String,
    /// Price or better. Without it the order goes at the market.
    #[arg(long, value_name = "PRICE")]
    pub limit: Option<Amount>,
    /// Sleep until somebody trades at this price or beyond.
    #[arg(long, value_name = "PRICE")]
    pub stop: Option<Amount>,
    /// How long it lives.
    #[arg(long, value_enum, default_value_t = Life::Day)]
    pub life: Life,
    /// Refuse rather than take what is in the book.
    #[arg(long)]
    pub post_only: bool,
    /// Wait until nothing more can come of it: filled, cancelled, rejected or expired.
    #[arg(long)]
    pub wait: bool,
    #[command(flatten)]
    pub repeat: Repeat,
    #[command(flatten)]
    pub target: Target,
}

/// `outcry orders list`
#[derive(Debug, Args)]
pub struct OrdersList {
    /// Only those that can still be filled.
    #[arg(long)]
    pub open: bool,
    /// Only this symbol.
    #[arg(long)]
    pub symbol: Option<String>,
    /// Orders shown at most.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    #[command(flatten)]
    pub target: Target,
}

/// `outcry orders show`
#[derive(Debug, Args)]
pub struct OrdersShow {
    /// The order, as `orders list` shows it.
    pub order: Uuid,
    #[command(flatten)]
    pub target: Target,
}

/// `outcry orders cancel`
#[derive(Debug, Args)]
pub struct OrdersCancel {
    /// The order, as `orders list` shows it.
    pub order: Uuid,
    #[command(flatten)]
    pub repeat: Repeat,
    #[command(flatten)]
    pub target: Target,
}

/// What makes a command that was given twice count once.
#[derive(Debug, Args)]
pub struct Repeat {
    /// Id of the request: given again with the same, it does nothing more and answers the same. A new one unless given.
    #[arg(long, value_name = "UUID")]
    pub request_id: Option<Uuid>,
}

/// Which way an order goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// Shares for cash.
    Buy,
    /// Cash for shares.
    Sell,
}

/// How long an order lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Life {
    /// Until the session ends.
    #[default]
    Day,
    /// Until it is cancelled.
    Gtc,
    /// What can be filled at once; the rest is cancelled.
    Ioc,
    /// All at once or nothing.
    Fok,
}

// === impl Repeat ===

impl Repeat {
    /// The request's id.
    pub fn id(&self) -> String {
        self.request_id.unwrap_or_else(Uuid::now_v7).to_string()
    }
}

impl From<Way> for Side {
    fn from(way: Way) -> Self {
        match way {
            Way::Buy => Self::Buy,
            Way::Sell => Self::Sell,
        }
    }
}

impl From<Life> for TimeInForce {
    fn from(life: Life) -> Self {
        match life {
            Life::Day => Self::Day,
            Life::Gtc => Self::Gtc,
            Life::Ioc => Self::Ioc,
            Life::Fok => Self::Fok,
        }
    }
}
