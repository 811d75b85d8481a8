//! Transactions as callers see them.

use outcry_contracts::ledger::v1 as wire;
use outcry_store::timer::time_of;

use crate::books::{Balance, BookedEntry};
use crate::domain::{AccountName, Difference, Reconciliation, Transaction};

/// A transaction with its entries.
pub(crate) fn transaction(transaction: &Transaction) -> wire::LedgerTransaction {
    let entries = transaction.entries.iter().map(|leg| {
        entry(&BookedEntry {
            number: transaction.number,
            entry: leg.clone(),
            reference: transaction.reference.clone(),
            kind: transaction.kind,
            at_ns: transaction.at_ns,
        })
    });
    wire::LedgerTransaction {
        number: transaction.number,
        key: transaction.key.clone(),
        kind: transaction.kind,
        event_id: transaction.event_id.to_string(),
        entries: entries.collect(),
        at: Some(time_of(transaction.at_ns).into()),
        hash: transaction.hash.to_string(),
    }
}

/// One leg.
pub(crate) fn entry(booked: &BookedEntry) -> wire::Entry {
    wire::Entry {
        transaction_number: booked.number,
        account: booked.entry.account.to_string(),
        asset: booked.entry.account.asset().to_owned(),
        amount: booked.entry.amount,
        balance_after: booked.entry.balance_after,
        reference: booked.reference.clone(),
        kind: booked.kind,
        at: Some(time_of(booked.at_ns).into()),
    }
}

/// What was booked on an account, by kind.
pub(crate) fn summary(account: &AccountName, kept: &Balance) -> wire::SummarizeAccountResponse {
    let kinds = kept
        .summary
        .totals()
        .map(|(kind, total)| wire::KindSummary {
            kind,
            entries: total.entries,
            sum: total.sum,
        });
    wire::SummarizeAccountResponse {
        account: account.to_string(),
        asset: account.asset().to_owned(),
        balance: kept.balance,
        kinds: kinds.collect(),
    }
}

/// A comparison with custody, up to a transaction.
pub(crate) fn reconciliation(compared: &Reconciliation, number: u64) -> wire::ReconcileResponse {
    wire::ReconcileResponse {
        accounts: compared.accounts(),
        differences: compared.differences().iter().map(difference).collect(),
        transaction_number: number,
    }
}

fn difference(difference: &Difference) -> wire::Difference {
    wire::Difference {
        account: difference.account.to_string(),
        asset: difference.account.asset().to_owned(),
        ledger: difference.ledger,
        custody: difference.custody,
    }
}
