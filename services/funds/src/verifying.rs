//! One account held against its events: reported, never repaired.

use outcry_contracts::Event;
use outcry_contracts::funds::v1::{self as wire, FundsSettledEvent};
use outcry_events::{EventSet, SealedEvent};
use outcry_mesh::refusal;
use outcry_service::store_failure;
use outcry_store::{Store, StoreError, StoredEvent};
use tonic::{Code, Status};

use crate::documents;
use crate::domain::movement::{Movement, movements_of};
use crate::domain::tally::Tally;
use crate::domain::{Account, AccountEvent, Breach, Rejection, SettlementEvent};
use crate::shown;
use crate::views;

/// Tries to see an account stand still. Each takes about as long as reading its events.
const ATTEMPTS: u32 = 5;

/// Rows read at a time.
const BATCH: usize = 500;

/// Why an account could not be added up.
#[derive(Debug, thiserror::Error)]
enum VerifyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("an event cannot be read")]
    Payload(#[from] outcry_events::PayloadError),
    #[error("an event carries no proper amount")]
    Breach(#[from] Breach),
}

/// Adds an account up from its own stream and the settlements it took part in, and compares.
pub(crate) async fn verify(
    store: &dyn Store,
    user_id: &str,
) -> Result<wire::VerifyAccountResponse, Status> {
    for _ in 0..ATTEMPTS {
        let before = kept(store, user_id).await?;
        let tally = tally(store, user_id).await.map_err(failed)?;
        let after = kept(store, user_id).await?;
        // Otherwise it moved meanwhile, and some of what was read is from before and some after.
        if before.version == after.version {
            return Ok(report(&before.document, &tally));
        }
    }
    Err(refusal::with_reason(
        Code::Unavailable,
        "ACCOUNT_BUSY",
        "the account changes all the time; try again in a moment",
    ))
}

fn report(account: &Account, tally: &Tally) -> wire::VerifyAccountResponse {
    let differences = tally.differences(account);
    wire::VerifyAccountResponse {
        intact: differences.is_empty() && tally.own == account.sequence,
        events: tally.own + tally.settlements,
        differences: differences.iter().map(shown::difference).collect(),
    }
}

async fn kept(store: &dyn Store, user_id: &str) -> Result<documents::Kept<Account>, Status> {
    let account = documents::account(store, user_id).await;
    account
        .map_err(store_failure)?
        .ok_or_else(|| refusal::status(&Rejection::AccountNotReady))
}

async fn tally(store: &dyn Store, user_id: &str) -> Result<Tally, VerifyError> {
    let mut tally = Tally::default();
    let stream = format!("{}-{user_id}", AccountEvent::AGGREGATE);
    loop {
        let events = store.read_stream(&stream, tally.own, BATCH).await?;
        for StoredEvent { event, .. } in &events {
            tally.count(&AccountEvent::open(event)?.movement()?);
            tally.own = event.sequence();
        }
        if events.len() < BATCH {
            break;
        }
    }
    // Settlements are streams of their own; the listing of the account says which.
    let mut after = None;
    loop {
        let (listed, next) = views::movements(store, user_id, after, BATCH).await?;
        for row in &listed {
            if row.topic != FundsSettledEvent::TOPIC {
                continue;
            }
            let stream = format!("{}-{}", SettlementEvent::AGGREGATE, row.reference);
            for StoredEvent { event, .. } in &store.read_stream(&stream, 0, 1).await? {
                settlement(event)?
                    .iter()
                    .filter(|movement| movement.user_id == user_id)
                    .for_each(|movement| tally.count(movement));
                tally.settlements += 1;
            }
        }
        match next {
            Some(cursor) => after = Some(cursor),
            None => return Ok(tally),
        }
    }
}

fn settlement(event: &SealedEvent) -> Result<[Movement; 4], VerifyError> {
    let SettlementEvent::Settled(settled) = SettlementEvent::open(event)?;
    Ok(movements_of(&settled)?)
}

fn failed(error: VerifyError) -> Status {
    match error {
        VerifyError::Store(error) => store_failure(error),
        error => {
            tracing::error!(%error, "an account cannot be added up");
            refusal::with_reason(Code::DataLoss, "UNREADABLE_EVENT", error.to_string())
        }
    }
}
