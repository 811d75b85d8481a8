//! Payments as they are shown: one row each, written with the events.

use std::time::SystemTime;

use outcry_contracts::payments::v1 as contract;
use outcry_contracts::types::v1::PageInfo;
use outcry_events::Amount;
use outcry_service::Page;
use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite, timer};
use serde::{Deserialize, Serialize};

use crate::domain::Payment;

/// Payments by id: rows are [`PaymentRow`].
pub const PAYMENTS: &str = "payments";

/// Payments of a user, oldest first.
const BY_USER: &str = "user";

/// A payment as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRow {
    /// Its id.
    pub payment_id: String,
    /// Whose it is.
    pub user_id: String,
    /// How much was asked for.
    pub amount: Amount,
    /// The contract's number of its status.
    pub status: i32,
    /// Who captures it.
    pub provider: String,
    /// The provider's id of the capture; empty before.
    pub provider_reference: String,
    /// The contract's number of why it failed; 0 when it did not.
    pub failure: i32,
    /// The capture came late.
    pub late: bool,
    /// When it was started, in nanoseconds since 1970.
    pub created_ns: i64,
    /// When it expires, in nanoseconds since 1970.
    pub expires_ns: i64,
}

// === impl PaymentRow ===

impl PaymentRow {
    /// The row of a payment; none before it exists.
    pub fn of(payment: &Payment, created: SystemTime) -> Option<Self> {
        let terms = payment.terms.as_ref()?;
        let expires = terms
            .expires_at
            .and_then(|at| SystemTime::try_from(at).ok());
        Some(Self {
            payment_id: terms.payment_id.clone(),
            user_id: terms.user_id.clone(),
            amount: payment.amount(),
            status: payment.status.into(),
            provider: terms.provider.clone(),
            provider_reference: payment.provider_reference.clone(),
            failure: payment.failure.into(),
            late: payment.late,
            created_ns: timer::nanos(created).unwrap_or_default(),
            expires_ns: expires.and_then(timer::nanos).unwrap_or_default(),
        })
    }

    /// The write of this row, with its place in the listing.
    ///
    /// # Errors
    /// It does not serialise.
    pub fn write(&self) -> Result<ViewWrite, StoreError> {
        let place = format!("{}/{:020}", self.user_id, self.created_ns);
        Ok(ViewWrite::put(PAYMENTS, &self.payment_id, self)?.index(BY_USER, place))
    }

    /// For callers.
    pub fn shown(&self) -> contract::Payment {
        contract::Payment {
            payment_id: self.payment_id.clone(),
            user_id: self.user_id.clone(),
            amount: Some(self.amount.to_money()),
            status: self.status,
            provider: self.provider.clone(),
            provider_reference: self.provider_reference.clone(),
            failure: self.failure,
            late: self.late,
            created_at: Some(timer::time_of(self.created_ns).into()),
            expires_at: Some(timer::time_of(self.expires_ns).into()),
        }
    }
}

/// One payment.
///
/// # Errors
/// The store cannot be read.
pub async fn payment(store: &dyn Store, id: &str) -> Result<Option<PaymentRow>, StoreError> {
    let row = store.view(PAYMENTS, id).await?;
    row.map(|row| row.decode()).transpose()
}

/// Payments of a user, newest first, and where the next page begins.
///
/// # Errors
/// The store cannot be read, or the cursor is none.
pub async fn payments_of(
    store: &dyn Store,
    user_id: &str,
    page: Page,
) -> Result<(Vec<PaymentRow>, PageInfo), StoreError> {
    let scan = Scan::new(PAYMENTS)
        .index(BY_USER)
        .prefix(format!("{user_id}/"))
        .reverse();
    let (rows, page) = page.read(store, scan).await?;
    let payments = rows.iter().map(ViewRow::decode).collect::<Result<_, _>>()?;
    Ok((payments, page))
}
