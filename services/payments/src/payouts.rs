//! Payouts: written down before the provider hears of them, and asked about until they have ended.
//!
//! A payout is a row and no aggregate: whose money it is, and what becomes of it, is for funds to
//! say. A row goes forward only, `PENDING → PAID | REFUSED`.

use std::time::Duration;

use outcry_contracts::payments::v1::PayoutStatus;
use outcry_mesh::refusal::Refusal;
use outcry_service::{Fault, store_failure};
use outcry_store::{Commit, CommitError, StoreError, Timer, TimerWrite, ViewWrite};
use tonic::{Code, Status};

use crate::desk::{Desk, in_time};
use crate::provider::{PayoutStanding, Unanswered};
use crate::views::{self, PAYOUTS, PayoutRow};

/// What the timers of payouts are for: the first part of their ids.
pub(crate) const PAYOUT: &str = "payout";

/// Waits before the provider is asked again about a payout that has not ended: they double, from
/// what an outage of a moment takes to what nobody notices beside a bank's working day.
const ASK_FIRST: Duration = Duration::from_secs(1);
const ASK_MOST: Duration = Duration::from_secs(300);

/// Doubling more often than this makes no wait longer than the longest.
const DOUBLINGS_MAX: u32 = 16;

/// Tries to write a row that others write at the same time: a call, its repetition and the timer.
const WRITE_ATTEMPTS: u32 = 10;

/// Why the answer is no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PayoutRejection {
    /// The id was used for something else.
    #[error("this payout id was used for another payout; use a new one")]
    IdReused,
    /// Nothing is to be paid.
    #[error("the amount must be more than nothing")]
    NotPositive,
    /// Others kept writing.
    #[error("the payout is being changed by others; try again")]
    Busy,
}

impl Refusal for PayoutRejection {
    fn code(&self) -> Code {
        match self {
            Self::IdReused | Self::NotPositive => Code::InvalidArgument,
            Self::Busy => Code::Unavailable,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::IdReused => "PAYOUT_ID_REUSED",
            Self::NotPositive => "AMOUNT_NOT_POSITIVE",
            Self::Busy => "BUSY",
        }
    }
}

/// Why a payout's row could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PayoutError {
    /// The business says no.
    #[error(transparent)]
    Rejected(#[from] PayoutRejection),
    /// The store does not answer.
    #[error("keeping a payout")]
    Store(#[from] StoreError),
    /// The commit is wrong in itself.
    #[error("keeping a payout")]
    Commit(#[source] CommitError),
}

/// Has the provider pay out, once per payout id, and tells how far it is.
///
/// The row comes first: after a crash its timer goes on. No answer from the provider is `PENDING`,
/// since the platform keeps asking until there is one.
pub(crate) async fn send(desk: &Desk, wanted: PayoutRow) -> Result<PayoutRow, PayoutError> {
    if !wanted.amount.is_positive() {
        return Err(PayoutRejection::NotPositive.into());
    }
    let (row, is_new) = keep(desk, wanted).await?;
    go_on(desk, row, is_new).await
}

/// How far a payout is; none when it was never asked for.
pub(crate) async fn look_up(desk: &Desk, id: &str) -> Result<Option<PayoutRow>, PayoutError> {
    match views::payout(desk.ctx.store.as_ref(), id).await? {
        Some((row, _)) => go_on(desk, row, false).await.map(Some),
        None => Ok(None),
    }
}

/// Asks about a payout again, and sets when to do so the next time.
pub(crate) async fn fire(desk: &Desk, id: &str, timer: &Timer) -> Result<Commit, Fault> {
    let Some(row) = look_up(desk, id).await? else {
        return Err(Fault::discard("there is no such payout"));
    };
    let mut commit = Commit::default();
    if row.has_ended() {
        let id = timer.id.clone();
        commit.timers.push(TimerWrite::Clear { id });
    } else {
        let asked: u32 = std::str::from_utf8(&timer.payload)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(1);
        let next = ask_again(desk, id, asked.saturating_add(1));
        commit.timers.push(TimerWrite::Set(next));
    }
    Ok(commit)
}

/// Writes a payout down; the row that counts, and whether it is this one.
async fn keep(desk: &Desk, wanted: PayoutRow) -> Result<(PayoutRow, bool), PayoutError> {
    let store = desk.ctx.store.as_ref();
    for _ in 0..WRITE_ATTEMPTS {
        if let Some((row, _)) = views::payout(store, &wanted.payout_id).await? {
            if !row.is_for_the_same(&wanted) {
                return Err(PayoutRejection::IdReused.into());
            }
            return Ok((row, false));
        }
        let mut commit = Commit::default();
        commit.views.push(write(&wanted)?.expect(0));
        let timer = ask_again(desk, &wanted.payout_id, 1);
        commit.timers.push(TimerWrite::Set(timer));
        match store.commit(commit).await {
            Ok(()) => return Ok((wanted, true)),
            Err(CommitError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(PayoutRejection::Busy.into())
}

/// Takes a payout as far as the provider lets it go now.
async fn go_on(desk: &Desk, row: PayoutRow, is_new: bool) -> Result<PayoutRow, PayoutError> {
    if row.has_ended() {
        return Ok(row);
    }
    match ask(desk, &row, is_new).await {
        Ok(said) => record(desk, row, &said).await,
        Err(Unanswered(reason)) => {
            tracing::info!(payout_id = row.payout_id, reason, "a payout is in doubt");
            Ok(row)
        }
    }
}

/// What the provider says of a payout; one it has never heard of is sent to it.
async fn ask(desk: &Desk, row: &PayoutRow, is_new: bool) -> Result<PayoutStanding, Unanswered> {
    let payout = row.payout();
    if !is_new {
        let said = in_time(desk.provider.look_up_payout(&payout)).await?;
        if said.status != PayoutStatus::Unknown {
            return Ok(said);
        }
    }
    in_time(desk.provider.send_payout(&payout)).await
}

/// Writes down how a payout ended; what others wrote first stays.
async fn record(
    desk: &Desk,
    mut row: PayoutRow,
    said: &PayoutStanding,
) -> Result<PayoutRow, PayoutError> {
    if !matches!(said.status, PayoutStatus::Paid | PayoutStatus::Refused) {
        return Ok(row);
    }
    let store = desk.ctx.store.as_ref();
    for _ in 0..WRITE_ATTEMPTS {
        let Some((now, version)) = views::payout(store, &row.payout_id).await? else {
            return Ok(row);
        };
        row = now;
        if row.has_ended() {
            return Ok(row);
        }
        row.status = said.status.into();
        row.message.clone_from(&said.message);
        let mut commit = Commit::default();
        commit.views.push(write(&row)?.expect(version));
        let id = format!("{PAYOUT}/{}", row.payout_id);
        commit.timers.push(TimerWrite::Clear { id });
        match store.commit(commit).await {
            Ok(()) => return Ok(row),
            Err(CommitError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(PayoutRejection::Busy.into())
}

fn write(row: &PayoutRow) -> Result<ViewWrite, StoreError> {
    ViewWrite::put(PAYOUTS, &row.payout_id, row)
}

/// The timer that asks about a payout for the `asked`th time.
fn ask_again(desk: &Desk, id: &str, asked: u32) -> Timer {
    let doublings = asked.saturating_sub(1).min(DOUBLINGS_MAX);
    let wait = ASK_FIRST.saturating_mul(1 << doublings).min(ASK_MOST);
    Timer {
        id: format!("{PAYOUT}/{id}"),
        due: desk.ctx.clock.now() + wait,
        payload: asked.to_string().into_bytes(),
    }
}

// === impl PayoutError ===

impl From<CommitError> for PayoutError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Store(error) => Self::Store(error),
            error => Self::Commit(error),
        }
    }
}

impl From<PayoutError> for Status {
    fn from(error: PayoutError) -> Self {
        match error {
            PayoutError::Rejected(rejection) => outcry_mesh::refusal::status(&rejection),
            PayoutError::Store(error) => store_failure(error),
            PayoutError::Commit(error) => {
                tracing::error!(%error, "keeping a payout failed");
                outcry_mesh::refusal::with_reason(Code::Internal, "INTERNAL", "the service failed")
            }
        }
    }
}

impl From<PayoutError> for Fault {
    fn from(error: PayoutError) -> Self {
        match error {
            PayoutError::Store(error) => error.into(),
            error => Self::retry(error),
        }
    }
}
