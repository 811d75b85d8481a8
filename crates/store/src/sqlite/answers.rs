//! Which requests have been answered, and how.

use std::time::SystemTime;

use outcry_sqlite::rusqlite::{Connection, OptionalExtension as _, params};

use super::tables::named;
use crate::commit::Answer;
use crate::error::StoreError;
use crate::timer::{nanos, time_of};

#[derive(Debug)]
pub(super) struct Answers {
    pub(super) contains: String,
    pub(super) find: String,
    insert: String,
    pub(super) forget: String,
}

// === impl Answers ===

impl Answers {
    pub(super) fn of(service: &str) -> Self {
        let sql = |text| named(service, text);
        Self {
            contains: sql("SELECT 1 FROM @_answers
                 WHERE principal = ?1 AND method = ?2 AND request_id = ?3"),
            find: sql("SELECT request_hash, response, at FROM @_answers
                 WHERE principal = ?1 AND method = ?2 AND request_id = ?3"),
            insert: sql("INSERT INTO @_answers
                 (principal, method, request_id, request_hash, response, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)"),
            forget: sql("DELETE FROM @_answers WHERE id IN
                 (SELECT id FROM @_answers WHERE at < ?1 ORDER BY at LIMIT ?2)"),
        }
    }

    pub(super) fn contains(
        &self,
        connection: &Connection,
        answer: &Answer,
    ) -> Result<bool, StoreError> {
        let mut statement = connection.prepare_cached(&self.contains)?;
        Ok(statement.exists([&answer.principal, &answer.method, &answer.request_id])?)
    }

    pub(super) fn find(
        &self,
        connection: &Connection,
        principal: &str,
        method: &str,
        request_id: &str,
    ) -> Result<Option<Answer>, StoreError> {
        let answer = connection
            .prepare_cached(&self.find)?
            .query_row([principal, method, request_id], |row| {
                Ok(Answer {
                    principal: principal.to_owned(),
                    method: method.to_owned(),
                    request_id: request_id.to_owned(),
                    request_hash: row.get(0)?,
                    response: row.get(1)?,
                    at: time_of(row.get(2)?),
                })
            })
            .optional()?;
        Ok(answer)
    }

    pub(super) fn insert(
        &self,
        connection: &Connection,
        answer: &Answer,
    ) -> Result<(), StoreError> {
        connection.prepare_cached(&self.insert)?.execute(params![
            answer.principal,
            answer.method,
            answer.request_id,
            answer.request_hash,
            answer.response,
            nanos(answer.at),
        ])?;
        Ok(())
    }

    pub(super) fn forget(
        &self,
        connection: &Connection,
        before: SystemTime,
        limit: usize,
    ) -> Result<u64, StoreError> {
        let mut statement = connection.prepare_cached(&self.forget)?;
        Ok(statement.execute(params![nanos(before), limit])? as u64)
    }
}
