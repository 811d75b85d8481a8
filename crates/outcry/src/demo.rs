//! `outcry up --demo`: users, shares and a small market that trades, all through the public API.
//!
//! Every trader looks at the book of a symbol and places orders around a price that wanders, so
//! books fill, match, and are seen to. Orders go through the same edge as anybody's.

mod market;

use std::time::Duration;

use anyhow::Context as _;
use outcry_contracts::trades::v1::ListExecutionsRequest;
use outcry_contracts::trades::v1::trade_service_client::TradeServiceClient;
use outcry_events::Amount;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::arguments::Up;
use crate::config::Config;
use crate::folder::Folder;
use crate::output::Output;
use crate::site::Site;
use crate::{session, text};

/// How long closing may take: a trader finishes the call it is in.
const CLOSE_MAX: Duration = Duration::from_secs(10);

/// Trades shown before the tape goes quiet; the rest is `outcry events tail`'s.
const SHOWN: usize = 20;

/// How often the tape is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A market that trades until it is closed.
pub struct Market {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

// === impl Market ===

impl Market {
    /// Lets the traders finish their calls and go.
    pub async fn close(mut self) {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // Whoever is stuck is dropped with the set.
        let _late = tokio::time::timeout(CLOSE_MAX, all).await;
    }
}

/// Opens the market of the platform at `site`.
///
/// # Errors
/// The users cannot be made or funded.
pub async fn open(
    site: &Site,
    folder: &Folder,
    config: &Config,
    out: Output,
) -> anyhow::Result<Market> {
    let administrator = folder
        .administrator()?
        .context(
            "the administrator is not known: its file is gone from the data folder; bring it back, or start with an \
             empty folder",
        )?;
    let admin = session::sign_in(
        site.connect().await?,
        &administrator.email,
        &administrator.password,
    )
    .await?;
    let symbols: Vec<String> = config
        .market
        .instruments
        .iter()
        // From the end: recordings are of the first one, whose book stays free for a replay.
        .rev()
        .take(market::SYMBOLS)
        .map(|instrument| instrument.symbol.clone())
        .collect();
    let traders = market::traders(site, &admin, &symbols).await?;
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    for trader in traders {
        tasks.spawn(trader.trade(stop.clone()));
    }
    tasks.spawn(show_tape(
        TradeServiceClient::new(admin),
        symbols,
        stop.clone(),
        out,
    ));
    Ok(Market { stop, tasks })
}

/// Prints the first trades as they happen.
async fn show_tape(
    mut venue: TradeServiceClient<session::SignedChannel>,
    symbols: Vec<String>,
    stop: CancellationToken,
    out: Output,
) {
    let mut seen = vec![0_u64; symbols.len()];
    let mut shown = 0;
    while shown < SHOWN {
        for (symbol, seen) in symbols.iter().zip(&mut seen) {
            let request = ListExecutionsRequest {
                symbol: symbol.clone(),
                after_venue_sequence: *seen,
                size: 0,
                latest: *seen == 0,
            };
            let Ok(reply) = venue.list_executions(request).await else {
                continue;
            };
            let mut fresh = reply.into_inner().executions;
            fresh.sort_by_key(|one| one.venue_sequence);
            for one in fresh {
                *seen = one.venue_sequence;
                if shown < SHOWN {
                    shown += 1;
                    let price = Amount::from_required(one.price.as_ref()).unwrap_or_default();
                    let at = text::time(one.executed_at.as_ref());
                    out.news(
                        &format!("  {at}  {symbol:<5} {:>5} @ {price}", one.quantity),
                        &json!({
                            "state": "traded",
                            "at": at,
                            "symbol": symbol,
                            "quantity": one.quantity,
                            "price": price.to_string(),
                        }),
                    );
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    if !out.is_json() {
        let rest = "  … and so on: `outcry events tail trade.executed` shows every fill";
        out.news(rest, &Value::Null);
    }
}

/// Where to look, and what to try next.
pub fn hints(address: &str, up: &Up, config: &Config) -> String {
    let data = match &up.settings.data {
        Some(_) => format!(" --data {}", config.data.display()),
        None => String::new(),
    };
    let console = match config.gateway.console {
        true => format!("console            {address}/\n"),
        false => String::new(),
    };
    format!(
        "\n\
         {console}\
         gRPC and gRPC-Web  {address}\n\
         health             {address}/healthz\n\
         signing keys       {address}/.well-known/jwks.json\n\
         administrator      {}\n\
         \n\
         In another terminal, try\n\
         \n\
         \x20 outcry events tail{data} 'order.*'            watch orders as they happen\n\
         \x20 outcry trace{data} <correlation id>           one order's events as a tree of causes\n\
         \x20 outcry audit{data}                            recompute every invariant from the events\n\
         \n\
         (`outcry` is `cargo run --release --` here.) The market trades:",
        config.data.join("administrator.toml").display(),
    )
}
