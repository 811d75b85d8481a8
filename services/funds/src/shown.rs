//! Documents as callers see them.

use outcry_contracts::funds::v1 as wire;
use outcry_contracts::types::v1::{Money, Shares};
use outcry_events::money::Amount;
use outcry_store::timer::time_of;

use crate::domain::tally::Difference;
use crate::domain::{Account, Asset, Balance, Standing, SuspenseItem, Withdrawal};

/// Balances of an account, cash first.
pub(crate) fn balances(account: &Account) -> Vec<wire::Balance> {
    let cash = Asset::cash();
    let shares = account.balances.keys().filter(|asset| !asset.is_cash());
    std::iter::once(&cash)
        .chain(shares)
        .map(|asset| balance(asset, account.balance(asset)))
        .collect()
}

/// Cash that is available.
pub(crate) fn cash_available(account: &Account) -> Option<Money> {
    let available = account.balance(&Asset::cash()).available;
    Amount::from_raw(available).ok().map(Amount::to_money)
}

/// Shares that are available.
pub(crate) fn shares_available(account: &Account, asset: &Asset) -> Shares {
    Shares {
        symbol: asset.name().to_owned(),
        quantity: account.balance(asset).available,
    }
}

/// A payout.
pub(crate) fn withdrawal(payout: &Withdrawal) -> wire::Withdrawal {
    wire::Withdrawal {
        withdrawal_id: payout.withdrawal_id.clone(),
        user_id: payout.user_id.clone(),
        amount: Some(payout.amount.to_money()),
        status: payout.stage.to_wire().into(),
        destination_last4: payout.destination_last4.clone(),
        message: payout.message.clone(),
        requested_at: Some(time_of(payout.requested_ns).into()),
        updated_at: Some(time_of(payout.updated_ns).into()),
    }
}

/// Money in suspense.
pub(crate) fn suspense(item: &SuspenseItem) -> wire::SuspenseItem {
    let outcome = item.outcome.map_or(
        wire::SuspenseOutcome::Unspecified,
        crate::domain::Outcome::to_wire,
    );
    wire::SuspenseItem {
        payment_id: item.payment_id.clone(),
        user_id: item.user_id.clone(),
        amount: Some(item.money()),
        message: item.message.clone(),
        at: Some(time_of(item.at_ns).into()),
        outcome: outcome.into(),
    }
}

/// An account.
pub(crate) fn account(account: &Account) -> wire::Account {
    wire::Account {
        user_id: account.user_id.clone(),
        balances: balances(account),
        suspended: account.standing != Standing::Active,
    }
}

/// What an account holds of an asset and what its events say.
pub(crate) fn difference(difference: &Difference) -> wire::AccountDifference {
    wire::AccountDifference {
        held: Some(balance(&difference.asset, difference.held)),
        by_events: Some(balance(&difference.asset, difference.told)),
    }
}

/// A number beyond what a message can carry is left out: it is none that an account can hold.
fn balance(asset: &Asset, balance: Balance) -> wire::Balance {
    let value = |amount| asset.value(amount).ok().map(|value| value.to_message());
    wire::Balance {
        available: value(balance.available),
        locked: value(balance.locked),
    }
}
