//! The users who replay a recording: registered, funded and signed in like anybody else.

use anyhow::Context as _;

use crate::fixed_id::fixed_id;
use crate::newcomer::Newcomer;
use crate::session::SignedChannel;
use crate::site::Site;

/// Users who own the recorded orders.
const TRADERS: usize = 8;

/// Cash each user starts with, in currency units: enough for every order of a recording at once.
const CASH: i64 = 500_000_000;

/// Shares each user starts with, for the same reason.
const SHARES: i64 = 5_000_000;

/// The users.
pub struct Crew {
    /// An administrator, for halts and for reading who matched whom.
    pub admin: SignedChannel,
    /// Owners of recorded orders.
    traders: Vec<SignedChannel>,
    /// Owner of the anonymous orders.
    pub seeder: SignedChannel,
    /// Who takes what rests.
    pub aggressor: SignedChannel,
}

// === impl Crew ===

impl Crew {
    /// Registers, funds and signs in everybody. Whoever is there already just signs in.
    ///
    /// # Errors
    /// The platform refuses, or funding takes longer than a minute.
    pub async fn hire(
        site: &Site,
        admin: SignedChannel,
        run: &str,
        symbol: &str,
    ) -> anyhow::Result<Self> {
        let mut hired = Vec::new();
        let names = (0..TRADERS).map(|number| format!("trader{number}"));
        for name in names.chain(["seeder".to_owned(), "aggressor".to_owned()]) {
            let user = hire_one(site, &admin, run, symbol, &name)
                .await
                .with_context(|| format!("hiring {name}"))?;
            hired.push(user);
        }
        let aggressor = hired.pop().context("no aggressor was hired")?;
        let seeder = hired.pop().context("no seeder was hired")?;
        Ok(Self {
            admin,
            traders: hired,
            seeder,
            aggressor,
        })
    }

    /// The owner of a recorded order: always the same for the same order.
    pub fn owner(&self, order: i64) -> &SignedChannel {
        let place = usize::try_from(order.unsigned_abs()).unwrap_or(0) % self.traders.len();
        &self.traders[place]
    }
}

async fn hire_one(
    site: &Site,
    admin: &SignedChannel,
    run: &str,
    symbol: &str,
    name: &str,
) -> anyhow::Result<SignedChannel> {
    let newcomer = Newcomer {
        email: format!("{name}.{}@replay.example", fixed_id(run, "mailbox")),
        password: fixed_id(run, &format!("password of {name}")),
        display_name: format!("Replay {name}"),
        name: format!("replay {run}/{name}"),
        symbols: &[symbol.to_owned()],
        shares: SHARES,
        cash: CASH,
    };
    newcomer.settle_in(site, admin).await
}
