//! The command line: what can be typed, and nothing of what it does.

pub mod trading;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::identity::TRUST_DOMAIN;
use crate::services;

/// What stands below the help, and in the manual page.
const AFTER_HELP: &str = "\
Exit codes:
  0  done, and nothing is wrong
  1  something is wrong: what was looked at, or what was to be done failed
  2  the command line or the configuration cannot be used
  3  the platform, the broker or the database cannot be reached
  4  the platform refuses: not signed in, not allowed, or there is no such thing

With --json an error is one JSON object on standard error, and everything on standard output is JSON.
`outcry doctor` looks for what is wrong with an installation and says how to mend it.";

/// Outcry: an event-driven trading platform.
#[derive(Debug, Parser)]
#[command(name = "outcry", version, propagate_version = true, after_help = AFTER_HELP)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub printing: Printing,
}

/// How answers and errors are printed.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Printing {
    /// Print JSON: one document, or one object per line where answers come one by one. Errors, too.
    #[arg(long, global = true, help_heading = "Printing")]
    pub json: bool,
    /// Whether to use colours. `auto`: on a terminal, unless NO_COLOR is set.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        help_heading = "Printing"
    )]
    pub color: Colour,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal that has them.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole platform in this process, with its data in one folder.
    Up(Up),
    /// Run some services in this process; others run elsewhere, over RabbitMQ and PostgreSQL.
    Serve(Serve),
    /// Make the tables of services on PostgreSQL, or bring them up to date, and end. Doing it again does
    /// nothing more.
    Migrate(Migrate),
    /// Compare the broker's exchanges, queues and bindings with what the services need.
    #[command(subcommand)]
    Topology(Topology),
    /// Play recorded market data as real users' orders through the public API.
    Replay(Replay),
    /// Measure how fast a running installation is, by orders that people of the benchmark's own trade with each other.
    Bench(Bench),
    /// Recompute the platform's invariants from its events; exit 1 when one is broken.
    Audit(Audit),
    /// Register a user, put money in, show what there is.
    #[command(subcommand)]
    Account(trading::Account),
    /// Place, list, show and cancel orders.
    #[command(subcommand)]
    Orders(trading::Orders),
    /// Read events.
    #[command(subcommand)]
    Events(Events),
    /// Show every event of one flow as a tree of causes.
    Trace(Trace),
    /// Look after events that could not be handled.
    #[command(subcommand)]
    Dlq(Dlq),
    /// Show or export the contract.
    #[command(subcommand)]
    Schema(Schema),
    /// Make certificates by which processes know each other, for development, or show what is in one.
    #[command(subcommand)]
    Certs(Certs),
    /// Print the configuration as it takes effect, secrets hidden.
    Config(Settings),
    /// Look for what is wrong with an installation, and say how to mend it; exit 1 when something is.
    Doctor(Doctor),
    /// Watch services, consumer groups and calls at work, in the terminal.
    Top(Top),
    /// Print the completions of a shell: commands, flags and names that the Tab key fills in.
    Completions(Completions),
    /// Print the manual page, or write those of all commands into a folder.
    Man(Man),
}

/// `outcry doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    pub target: Target,
    /// Services that this machine is to run. All when left out: their ports, tables and certificates are looked at.
    #[arg(long, value_name = "SERVICE", value_delimiter = ',', value_parser = services::NAMES)]
    pub services: Vec<String>,
    /// Count warnings as failures: exit 1 for them, too.
    #[arg(long)]
    pub strict: bool,
}

/// `outcry top`
#[derive(Debug, Args)]
pub struct Top {
    /// Port for operators of a process, as `http://host:port`; may be repeated, one for each process. Without any:
    /// the configured one.
    #[arg(long = "admin", value_name = "URL")]
    pub processes: Vec<String>,
    /// Configuration file (TOML), for the port for operators.
    #[arg(long, env = "OUTCRY_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Seconds between two readings.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub every: u16,
    /// Print one screen, from two readings, and end.
    #[arg(long)]
    pub once: bool,
}

/// `outcry completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `outcry man`
#[derive(Debug, Args)]
pub struct Man {
    /// Folder for one page per command; made when it is not there. Without it the first page is printed.
    pub folder: Option<PathBuf>,
}

/// Where the configuration comes from.
#[derive(Debug, Clone, Default, Args)]
pub struct Settings {
    /// Configuration file (TOML).
    #[arg(long, env = "OUTCRY_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the platform's data.
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Address of the public edge.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Address of the port for operators: health, metrics, channelz. None unless given.
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<SocketAddr>,
    /// RabbitMQ, as `amqp://user:password@host/vhost`, in place of the embedded broker. Better set
    /// as `OUTCRY_BROKER__URL`: others can read a command line.
    #[arg(long, value_name = "URL")]
    pub broker: Option<String>,
    /// PostgreSQL, as `postgres://user:password@host/database`, in place of a file in the data
    /// folder. Better set as `OUTCRY_DATABASE__URL`.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
}

/// Which running platform to talk to, and as whom.
///
/// Without any of these: the one whose data is in the configured folder, as its administrator.
#[derive(Debug, Clone, Args)]
pub struct Target {
    #[command(flatten)]
    pub settings: Settings,
    /// The platform's address, for example `http://127.0.0.1:7400`.
    #[arg(long, env = "OUTCRY_ADDRESS", value_name = "URL")]
    pub address: Option<String>,
    /// File with the certificate (PEM) of the authority that the platform's is from, where the system
    /// does not know it.
    #[arg(long, env = "OUTCRY_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// E-mail address to sign in with.
    #[arg(long, env = "OUTCRY_EMAIL", requires = "password")]
    pub email: Option<String>,
    /// Password to sign in with; better given in the environment than typed.
    #[arg(
        long,
        env = "OUTCRY_PASSWORD",
        hide_env_values = true,
        requires = "email"
    )]
    pub password: Option<String>,
}

/// `outcry up`
#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    pub settings: Settings,
    /// Add demo users and a small simulated market.
    #[arg(long)]
    pub demo: bool,
    /// File with the certificate (PEM) of the authority that the platform's own is from, for the demo's
    /// users, where the system does not know it.
    #[arg(long, env = "OUTCRY_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// `outcry serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Services to run here.
    #[arg(required = true, value_name = "SERVICE", value_parser = services::NAMES)]
    pub services: Vec<String>,
    #[command(flatten)]
    pub settings: Settings,
}

/// `outcry migrate`
#[derive(Debug, Args)]
pub struct Migrate {
    /// Services whose tables are migrated. All when left out.
    #[arg(value_name = "SERVICE", value_parser = services::NAMES)]
    pub services: Vec<String>,
    #[command(flatten)]
    pub settings: Settings,
}

/// `outcry topology`
#[derive(Debug, Subcommand)]
pub enum Topology {
    /// Say what differs and what `apply` would do; exit 1 when something differs.
    Plan(TopologyPlan),
    /// Make what is missing, and remove what is not needed any more and empty; exit 1 when something that is
    /// needed is not as it must be.
    Apply(TopologyApply),
    /// Print what all services need, without asking a broker: for those who declare it by other means.
    Show,
}

/// `outcry topology plan`
#[derive(Debug, Args)]
pub struct TopologyPlan {
    #[command(flatten)]
    pub settings: Settings,
}

/// `outcry topology apply`
#[derive(Debug, Args)]
pub struct TopologyApply {
    /// Also remove queues that hold messages. The messages are lost.
    #[arg(long)]
    pub remove_with_messages: bool,
    /// Also exit 1 when something was left that is in nobody's way: a queue that is not needed any more and
    /// still consumed or not empty, messages that no group got.
    #[arg(long)]
    pub strict: bool,
    #[command(flatten)]
    pub settings: Settings,
}

/// `outcry replay`
#[derive(Debug, Args)]
pub struct Replay {
    /// LOBSTER message file; its order book file is expected beside it.
    pub file: PathBuf,
    /// Order book file, when it is not beside the message file under its usual name.
    #[arg(long, value_name = "FILE")]
    pub book: Option<PathBuf>,
    /// Symbol to trade; taken from the file's name when left out.
    #[arg(long)]
    pub symbol: Option<String>,
    /// Play only so many messages.
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<usize>,
    /// Names the replay. The same name goes on where an interrupted replay stopped: what was
    /// already sent is answered from memory.
    #[arg(long, default_value = "replay")]
    pub run: String,
    #[command(flatten)]
    pub target: Target,
}

/// `outcry bench`
#[derive(Debug, Args)]
pub struct Bench {
    /// Symbol to trade. Orders are real and take whatever rests at their price: choose one that nobody else trades.
    #[arg(long)]
    pub symbol: String,
    /// Orders to place, half of them sales and half purchases of one share each.
    #[arg(long, value_name = "COUNT", default_value_t = 400, value_parser = clap::value_parser!(u32).range(2..=20_000))]
    pub orders: u32,
    /// People who sell, and as many who buy. Each pair has one order on its way at a time.
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub pairs: u32,
    /// Price of a share, in whole dollars.
    #[arg(long, value_name = "DOLLARS", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub price: u32,
    /// Names the people. The same name uses those of an earlier run again.
    #[arg(long, default_value = "bench")]
    pub run: String,
    #[command(flatten)]
    pub target: Target,
}

/// `outcry audit`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Audit {
    #[command(subcommand)]
    pub listing: Option<AuditListing>,
    #[command(flatten)]
    pub settings: Settings,
}

/// `outcry audit …`
#[derive(Debug, Subcommand)]
pub enum AuditListing {
    /// List who was refused what, and every call that may have changed something.
    Calls(AuditCalls),
}

/// `outcry audit calls`
#[derive(Debug, Args)]
pub struct AuditCalls {
    #[command(flatten)]
    pub settings: Settings,
    /// Only calls for this user.
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Only calls from this time on, for example `2027-01-15T08:00:00Z`.
    #[arg(long, value_name = "TIME")]
    pub since: Option<jiff::Timestamp>,
    /// Only calls that were refused.
    #[arg(long)]
    pub denied: bool,
}

/// `outcry events`
#[derive(Debug, Subcommand)]
pub enum Events {
    /// Print events as they happen, or from a position on.
    Tail(Tail),
    /// Write every archived event as one JSON line, oldest first.
    Export(Export),
}

/// `outcry events tail`
#[derive(Debug, Args)]
pub struct Tail {
    /// Topic patterns; `*` is one word, `#` any number of words. All when left out.
    pub topics: Vec<String>,
    /// Start behind this position instead of now; 0 is the beginning.
    #[arg(long, value_name = "POSITION")]
    pub from: Option<u64>,
    /// Only events with this partition key.
    #[arg(long)]
    pub key: Option<String>,
    /// Stop after so many events.
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<u64>,
    #[command(flatten)]
    pub target: Target,
}

/// `outcry events export`
#[derive(Debug, Args)]
pub struct Export {
    /// File to write; standard output when left out.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub target: Target,
}

/// `outcry trace`
#[derive(Debug, Args)]
pub struct Trace {
    /// Correlation id of the flow, as an order shows it.
    pub correlation_id: uuid::Uuid,
    #[command(flatten)]
    pub target: Target,
}

/// `outcry dlq`
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// List parked events, or what was done with them.
    List(DlqList),
    /// Show one parked event with its content.
    Show(DlqShow),
    /// Hand parked events to their consumer again, in order.
    Redrive(DlqRedrive),
    /// Give one parked event up for good.
    Discard(DlqDiscard),
}

/// `outcry dlq list`
#[derive(Debug, Args)]
pub struct DlqList {
    /// Only this consumer group.
    #[arg(long)]
    pub group: Option<String>,
    /// Only this key.
    #[arg(long)]
    pub key: Option<String>,
    /// Only this topic.
    #[arg(long)]
    pub topic: Option<String>,
    /// List redrives and discards instead.
    #[arg(long)]
    pub audit: bool,
    #[command(flatten)]
    pub target: Target,
}

/// `outcry dlq show`
#[derive(Debug, Args)]
pub struct DlqShow {
    /// Consumer group.
    pub group: String,
    /// Position, as `dlq list` shows it.
    pub position: u64,
    #[command(flatten)]
    pub target: Target,
}

/// `outcry dlq redrive`
#[derive(Debug, Args)]
pub struct DlqRedrive {
    /// Consumer group.
    pub group: String,
    /// Only the event at this position.
    #[arg(long, conflicts_with_all = ["key", "all"])]
    pub position: Option<u64>,
    /// Only the events of this key.
    #[arg(long, conflicts_with = "all")]
    pub key: Option<String>,
    /// Everything the group has parked.
    #[arg(long)]
    pub all: bool,
    /// Only say what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// At most so many events a second.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub rate: u32,
    #[command(flatten)]
    pub target: Target,
}

/// `outcry dlq discard`
#[derive(Debug, Args)]
pub struct DlqDiscard {
    /// Consumer group.
    pub group: String,
    /// Position, as `dlq list` shows it.
    pub position: u64,
    /// Why it is given up; kept in the audit.
    #[arg(long)]
    pub reason: String,
    #[command(flatten)]
    pub target: Target,
}

/// `outcry schema`
#[derive(Debug, Subcommand)]
pub enum Schema {
    /// List the event types with publisher, version and consumers.
    List,
    /// Print who calls each service, what it publishes and what it consumes, as YAML: what manifests are made from.
    Services,
    /// Write the contract into a folder: its files, compiled and as they are, and the catalog.
    Export {
        /// Folder to write to; made when it is not there.
        folder: PathBuf,
    },
    /// Compare two exports and say what the newer one breaks, and whom; fails if anything breaks.
    Check(SchemaCheck),
}

/// `outcry schema check`
#[derive(Debug, Args)]
pub struct SchemaCheck {
    /// Folder with the older export.
    pub old: PathBuf,
    /// Folder with the newer one; the contract of this program unless given.
    pub new: Option<PathBuf>,
}

/// `outcry certs`
#[derive(Debug, Subcommand)]
pub enum Certs {
    /// Make an authority of one's own.
    Authority(CertsAuthority),
    /// Make the certificate of one account, signed by the authority.
    Issue(CertsIssue),
    /// Make what a trial needs: the authority if there is none, a certificate for each service, and
    /// one for the public port on this machine.
    All(CertsAll),
    /// Show what is in a file of certificates.
    Show(CertsShow),
}

/// `outcry certs authority`
#[derive(Debug, Args)]
pub struct CertsAuthority {
    /// Folder of the authority; made when it is not there.
    pub folder: PathBuf,
    /// How long it counts.
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..))]
    pub days: u16,
    /// Replace the one that is there. Both are believed until the former is taken out of
    /// `authorities.pem`.
    #[arg(long)]
    pub force: bool,
}

/// What is said of a process's certificate.
#[derive(Debug, Args)]
pub struct CertsIdentity {
    /// Namespace of the account: processes of other namespaces are not believed.
    #[arg(long, default_value = "outcry")]
    pub namespace: String,
    /// Trust domain of the platform.
    #[arg(long, default_value = TRUST_DOMAIN)]
    pub trust_domain: String,
    /// How long it counts; no longer than the authority.
    #[arg(long, value_name = "DAYS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub days: u16,
    /// Replace what is there: a running process takes the new one by itself.
    #[arg(long)]
    pub force: bool,
}

/// `outcry certs issue`
#[derive(Debug, Args)]
pub struct CertsIssue {
    /// Folder of the authority.
    pub folder: PathBuf,
    /// The account: a service's name, or one that `[mesh.tls.accounts]` lets speak for several.
    #[arg(long)]
    pub account: String,
    #[command(flatten)]
    pub identity: CertsIdentity,
    /// Host name or address in it besides; may be repeated. The mesh does not look at them.
    #[arg(long, value_name = "NAME")]
    pub dns: Vec<String>,
}

/// `outcry certs all`
#[derive(Debug, Args)]
pub struct CertsAll {
    /// Folder of the authority; made when it is not there.
    pub folder: PathBuf,
    /// How long the authority counts, when it is made.
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..))]
    pub authority_days: u16,
    #[command(flatten)]
    pub identity: CertsIdentity,
}

/// `outcry certs show`
#[derive(Debug, Args)]
pub struct CertsShow {
    /// File of certificates (PEM).
    pub file: PathBuf,
}
