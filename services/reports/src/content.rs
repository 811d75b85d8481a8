//! From the events of an account to the bytes of a report. Pure.
//!
//! The events may come in any order: lines are put in order of occurrence, and sums do not depend
//! on order. So the same events give the same bytes.
//!
//! - [`movement`]: what an event of custody moves for one user
//! - [`account`]: what all of them add up to
//! - [`lots`]: which purchases sales disposed of
//! - [`activity`]: everything that happened, line by line
//! - [`documents`]: the tables of the other types of report
//! - [`document`]: a report as what it shows
//! - [`render`]: a document as CSV, JSON, workbook and PDF

pub mod account;
pub mod activity;
pub mod document;
pub mod documents;
pub mod lots;
pub mod movement;
pub mod render;

use std::fmt::Display;

use outcry_contracts::Event as _;
use outcry_contracts::reports::v1::ReportType;
use outcry_contracts::users::v1::{UserCreatedEvent, UserUpdatedEvent};
use outcry_events::money::MoneyError;
use outcry_events::{PayloadError, SealedEvent};
use outcry_store::timer::nanos;

use self::account::Account;
use self::activity::Activity;
use self::document::{Document, minute_text};
use self::documents::{Prices, holdings, profit, statement, tax_lots, trades};
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
    /// Lines, headings and totals not counted.
    pub rows: usize,
}

/// A report being made.
#[derive(Debug)]
pub struct Content<'a> {
    terms: &'a Terms,
    rows_max: usize,
    account: Account,
    activity: Activity,
    /// Events that were taken in.
    events: usize,
}

// === impl Content ===

impl<'a> Content<'a> {
    /// A report with nothing in it.
    #[must_use]
    pub fn new(terms: &'a Terms, rows_max: usize) -> Content<'a> {
        Content {
            terms,
            rows_max,
            account: Account::default(),
            activity: Activity::default(),
            events: 0,
        }
    }

    /// Whether an event of this topic and time tells something: the past before the period matters
    /// for what is held and for what was sold, not for lists of what happened.
    #[must_use]
    pub fn wants(&self, topic: &str, at_ns: i64) -> bool {
        if at_ns > self.terms.as_of_ns {
            return false;
        }
        let is_name = topic == UserCreatedEvent::TOPIC || topic == UserUpdatedEvent::TOPIC;
        let is_list = match self.terms.kind {
            ReportType::Activity | ReportType::TradeHistory | ReportType::Unspecified => true,
            ReportType::Statement
            | ReportType::Holdings
            | ReportType::ProfitAndLoss
            | ReportType::TaxLots => false,
        };
        is_name || !is_list || self.terms.in_period(at_ns)
    }

    /// Adds what one event tells, if it tells something.
    ///
    /// # Errors
    /// [`Unmade`].
    pub fn take(&mut self, event: &SealedEvent) -> Result<(), Unmade> {
        let at_ns = nanos(event.occurred_at()).ok_or_else(|| unreadable("its time is no time"))?;
        if !self.wants(event.topic(), at_ns) {
            return Ok(());
        }
        self.events += 1;
        self.account.name(event, at_ns)?;
        let user_id = &self.terms.user_id;
        if matches!(
            self.terms.kind,
            ReportType::Activity | ReportType::Unspecified
        ) {
            if self.terms.in_period(at_ns) {
                self.activity.add(event, at_ns, user_id)?;
            }
            return self.fits(self.activity.rows());
        }
        for (number, movement) in movement::of(event, user_id)?.into_iter().enumerate() {
            self.account.add((at_ns, event.id(), number), movement)?;
        }
        Ok(())
    }

    /// Symbols whose prices the report needs.
    pub fn symbols(&self) -> impl Iterator<Item = &String> {
        let kind = self.terms.kind;
        let needs = matches!(
            kind,
            ReportType::Statement | ReportType::Holdings | ReportType::ProfitAndLoss
        );
        self.account.symbols().filter(move |_| needs)
    }

    /// The report, with the last prices up to its time.
    ///
    /// # Errors
    /// [`Unmade`].
    pub fn finish(self, prices: &Prices) -> Result<Rendered, Unmade> {
        let format = self.terms.format;
        let rows_max = self.rows_max;
        let document = self.document(prices)?;
        let rows = document.rows();
        if rows > rows_max {
            return Err(Unmade::TooManyRows { max: rows_max });
        }
        let bytes = render::render(&document, format)?;
        Ok(Rendered { bytes, rows })
    }

    /// What the report shows.
    ///
    /// # Errors
    /// [`Unmade`].
    pub fn document(self, prices: &Prices) -> Result<Document, Unmade> {
        let terms = self.terms;
        let account = self.account.sorted();
        let mut document = Document::new(terms, account.holder());
        document.notes.push(format!(
            "Computed from {} events of the account that occurred up to {} UTC. All times are UTC, \
             all amounts are in {} and exact to the ten-thousandth.",
            self.events,
            minute_text(terms.as_of_ns),
            outcry_events::money::CURRENCY,
        ));
        let in_period = |at_ns| terms.in_period(at_ns);
        let (sections, notes) = match terms.kind {
            ReportType::Activity | ReportType::Unspecified => {
                (vec![self.activity.into_section()], Vec::new())
            }
            ReportType::TradeHistory => {
                (vec![trades::section(&account, in_period)?], trades::notes())
            }
            ReportType::Statement => {
                let [summary, cash] = statement::cash_sections(&account, in_period)?;
                let lots = account.lots()?;
                let shares = statement::shares_section(&account, in_period)?;
                let held = holdings::section(&account, &lots, prices)?;
                (vec![summary, held, cash, shares], statement::notes())
            }
            ReportType::Holdings => {
                let lots = account.lots()?;
                let held = holdings::section(&account, &lots, prices)?;
                let open = holdings::lots_section(&lots)?;
                (vec![held, open], holdings::notes())
            }
            ReportType::ProfitAndLoss => {
                let made = profit::section(&account.lots()?, prices, in_period)?;
                (vec![made], profit::notes())
            }
            ReportType::TaxLots => {
                let disposed = tax_lots::section(&account.lots()?, in_period)?;
                (vec![disposed], tax_lots::notes())
            }
        };
        document.sections = sections;
        document.notes.extend(notes);
        Ok(document)
    }

    fn fits(&self, rows: usize) -> Result<(), Unmade> {
        if rows > self.rows_max {
            return Err(Unmade::TooManyRows { max: self.rows_max });
        }
        Ok(())
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
