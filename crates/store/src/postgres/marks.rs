//! What has been done already: events handled and requests answered.

use std::time::SystemTime;

use uuid::Uuid;

use super::commit::time;
use super::events::column;
use super::failure::corrupt;
use super::session::Params;
use super::source::Source;
use super::text::stored;
use crate::commit::Answer;
use crate::error::StoreError;
use crate::timer::time_of;

/// Rows one statement forgets at most: it holds no locks for long.
const FORGET_BATCH: i64 = 1000;

#[derive(Debug)]
pub(super) struct Marks {
    pub(super) handled: String,
    pub(super) answer: String,
    pub(super) forget_handled: String,
    pub(super) forget_answers: String,
}

// === impl Marks ===

impl Marks {
    pub(super) fn of(schema: &str) -> Self {
        let sql = |text: &str| text.replace('@', schema);
        Self {
            handled: sql("SELECT 1 FROM @.handled WHERE consumer_group = $1 AND event_id = $2"),
            answer: sql("SELECT request_hash, response, at FROM @.answers
                 WHERE request_id = $3 AND principal = $1 AND method = $2"),
            forget_handled: sql("DELETE FROM @.handled WHERE (consumer_group, event_id) IN (
                     SELECT consumer_group, event_id FROM @.handled WHERE at < $1
                     ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)"),
            forget_answers: sql(
                "DELETE FROM @.answers WHERE (request_id, principal, method) IN (
                     SELECT request_id, principal, method FROM @.answers WHERE at < $1
                     ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            ),
        }
    }

    pub(super) async fn is_handled(
        &self,
        source: &Source,
        group: &str,
        event_id: Uuid,
    ) -> Result<bool, StoreError> {
        let params: Params<'_> = &[&stored(group), &event_id];
        Ok(!source.query(&self.handled, params).await?.is_empty())
    }

    pub(super) async fn answer(
        &self,
        source: &Source,
        principal: &str,
        method: &str,
        request_id: &str,
    ) -> Result<Option<Answer>, StoreError> {
        let params: Params<'_> = &[&stored(principal), &stored(method), &stored(request_id)];
        let rows = source.query(&self.answer, params).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let hash: &[u8] = column(row, 0)?;
        Ok(Some(Answer {
            principal: principal.to_owned(),
            method: method.to_owned(),
            request_id: request_id.to_owned(),
            request_hash: hash
                .try_into()
                .map_err(|error| corrupt("the hash of an answered request", error))?,
            response: column(row, 1)?,
            at: time_of(column(row, 2)?),
        }))
    }

    pub(super) async fn forget(
        &self,
        source: &Source,
        before: SystemTime,
        limit: i64,
    ) -> Result<u64, StoreError> {
        let database = source.database()?;
        let mut forgotten = 0;
        for sql in [&self.forget_handled, &self.forget_answers] {
            let mut left = limit;
            while left > 0 {
                let batch = left.min(FORGET_BATCH);
                let gone = database.execute(sql, &[&time(before), &batch]).await?;
                forgotten += gone;
                left -= batch;
                if gone < batch.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(forgotten)
    }
}
