//! From the events of an account to the bytes of a report. Pure.
//!
//! The events may come in any order: lines are put in order of occurrence, and sums do not depend
//! on order. So the same events give the same bytes.
//!
//! - [`movement`]: what an event of custody moves for one user
//! - [`activity`]: everything that happened, line by line
//! - [`statement`]: what there is, and the totals of a period
//! - [`render`]: CSV and JSON

pub mod activity;
pub mod movement;
pub mod render;
pub mod statement;

use std::fmt::Display;

use outcry_contracts::reports::v1::ReportType;
use outcry_events::money::MoneyError;
use outcry_events::{PayloadError, SealedEvent};
use outcry_store::timer::nanos;

use self::activity::Activity;
use self::statement::Statement;
use crate::domain::Terms;

/// Why a report cannot be made. The text is for the user.
#[derive(Debug, thiserror::Error)]
pub enum Unmade {
    /// The period holds too much.
    #[error("the report would have more than {max} lines; ask for a shorter period")]
    TooManyRows {
        /// Lines a report may have.
        max: usize,
    },
    /// The account holds too much.
    #[error("the account has more than {max} events up to that time; ask for an earlier time")]
    TooManyEvents {
        /// Events that are read for a report.
        max: usize,
    },
    /// An event says nothing that makes sense.
    #[error("an event of the account cannot be read: {0}")]
    Unreadable(String),
    /// A sum is larger than any amount can be.
    #[error("a sum is too large to be written")]
    TooLarge,
    /// The lines cannot be written.
    #[error("the report cannot be written: {0}")]
    Unwritable(String),
}

/// A finished report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The content.
    pub bytes: Vec<u8>,
    /// Lines, headings not counted.
    pub rows: usize,
}

/// A report being made.
#[derive(Debug)]
pub struct Content<'a> {
    terms: &'a Terms,
    rows_max: usize,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Activity(Activity),
    Statement(Statement),
}

// === impl Content ===

impl<'a> Content<'a> {
    /// A report with nothing in it.
    #[must_use]
    pub fn new(terms: &'a Terms, rows_max: usize) -> Content<'a> {
        let body = match terms.kind {
            ReportType::Statement => Body::Statement(Statement::default()),
            ReportType::Activity
            | ReportType::Unspecified
            | ReportType::TradeHistory
            | ReportType::Holdings
            | ReportType::ProfitAndLoss
            | ReportType::TaxLots => Body::Activity(Activity::default()),
        };
        Content {
            terms,
            rows_max,
            body,
        }
    }

    /// Adds what one event tells. One that occurred after the time of the report tells nothing.
    ///
    /// # Errors
    /// [`Unmade`].
    pub fn take(&mut self, event: &SealedEvent) -> Result<(), Unmade> {
        let at_ns = nanos(event.occurred_at()).ok_or_else(|| unreadable("its time is no time"))?;
        if at_ns > self.terms.as_of_ns {
            return Ok(());
        }
        let in_period = self.terms.in_period(at_ns);
        let user_id = &self.terms.user_id;
        let rows = match &mut self.body {
            Body::Statement(statement) => {
                for movement in movement::of(event, user_id)? {
                    statement.add(&movement, in_period)?;
                }
                statement.rows()
            }
            Body::Activity(activity) => {
                if in_period {
                    activity.add(event, at_ns, user_id)?;
                }
                activity.rows()
            }
        };
        if rows > self.rows_max {
            return Err(Unmade::TooManyRows { max: self.rows_max });
        }
        Ok(())
    }

    /// The report.
    ///
    /// # Errors
    /// [`Unmade`].
    pub fn finish(self) -> Result<Rendered, Unmade> {
        match self.body {
            Body::Activity(activity) => {
                render::render(self.terms, activity::COLUMNS, &activity.into_lines())
            }
            Body::Statement(statement) => {
                render::render(self.terms, statement::COLUMNS, &statement.into_lines()?)
            }
        }
    }
}

// === impl Unmade ===

impl From<PayloadError> for Unmade {
    fn from(error: PayloadError) -> Unmade {
        unreadable(error)
    }
}

impl From<MoneyError> for Unmade {
    fn from(error: MoneyError) -> Unmade {
        unreadable(error)
    }
}

fn unreadable(why: impl Display) -> Unmade {
    Unmade::Unreadable(why.to_string())
}

#[cfg(test)]
mod tests;
