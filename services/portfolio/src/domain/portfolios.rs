//! A user's portfolios: which there are, and which one is meant when none is named.

use outcry_mesh::refusal::Refusal;
use serde::{Deserialize, Serialize};
use tonic::Code;
use uuid::Uuid;

/// What the ids of main portfolios are made in. A constant of this service, drawn once.
const MAIN_PORTFOLIOS: Uuid = Uuid::from_u128(0x1b8e_5d2c_7a43_4d53_a1c6_90f3_5e27_6b04);

/// Portfolios a user can have, archived ones included: they are one document.
pub const PORTFOLIOS_MAX: usize = 20;

/// What the main portfolio is called until its owner calls it something else.
const MAIN_NAME: &str = "Main";

/// The portfolios of one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portfolios {
    /// Whose.
    pub user_id: String,
    /// Since when there is an account, in nanoseconds since 1970; none until its registration is
    /// known.
    pub opened_at_ns: Option<i64>,
    /// The one that is meant when none is named.
    pub default_id: Uuid,
    /// All of them, the main one first.
    pub portfolios: Vec<Portfolio>,
}

/// A part of a user's holdings with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portfolio {
    /// Its id.
    pub portfolio_id: Uuid,
    /// What its owner calls it.
    pub name: String,
    /// Whether it takes no new orders.
    pub is_archived: bool,
    /// Since when there is one, in nanoseconds since 1970; none of the main one until its user's
    /// registration is known.
    pub created_at_ns: Option<i64>,
}

/// Why something cannot be done with a portfolio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Not of this user.
    #[error("there is no such portfolio")]
    Unknown,
    /// Enough are there.
    #[error("there can be at most {PORTFOLIOS_MAX} portfolios")]
    TooMany,
    /// It takes no orders.
    #[error("the portfolio is archived")]
    Archived,
    /// There is something in it.
    #[error("there are shares in the portfolio")]
    NotEmpty,
    /// Another one must be first.
    #[error("the default portfolio cannot be archived; make another one the default first")]
    Default,
    /// Shares come into it unasked.
    #[error("the main portfolio cannot be archived")]
    Main,
}

/// The portfolio every user has from the start. Its id follows from the user's, so that shares can
/// come into it before anything else is known of the user.
#[must_use]
pub fn main_portfolio(user_id: &str) -> Uuid {
    Uuid::new_v5(&MAIN_PORTFOLIOS, user_id.as_bytes())
}

/// The portfolio an order was for: the one it names, else the main one, whatever the default was.
#[must_use]
pub fn named_or_main(portfolio_id: &str, user_id: &str) -> Uuid {
    Uuid::parse_str(portfolio_id).unwrap_or_else(|_| main_portfolio(user_id))
}

// === impl Portfolios ===

impl Portfolios {
    /// Those of a user who has not done anything with them.
    #[must_use]
    pub fn new(user_id: &str) -> Portfolios {
        let main = main_portfolio(user_id);
        Portfolios {
            user_id: user_id.to_owned(),
            opened_at_ns: None,
            default_id: main,
            portfolios: vec![Portfolio {
                portfolio_id: main,
                name: MAIN_NAME.to_owned(),
                is_archived: false,
                created_at_ns: None,
            }],
        }
    }

    /// Whether it is the one from the start.
    #[must_use]
    pub fn is_main(&self, portfolio_id: Uuid) -> bool {
        portfolio_id == main_portfolio(&self.user_id)
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Rejection::Unknown`].
    pub fn get(&self, portfolio_id: Uuid) -> Result<&Portfolio, Rejection> {
        let mut all = self.portfolios.iter();
        all.find(|one| one.portfolio_id == portfolio_id)
            .ok_or(Rejection::Unknown)
    }

    /// Whether orders may be placed for it.
    #[must_use]
    pub fn is_open(&self, portfolio_id: Uuid) -> bool {
        self.get(portfolio_id).is_ok_and(|one| !one.is_archived)
    }

    /// All of them, the default one first, then as they were made.
    #[must_use]
    pub fn listed(&self, active_only: bool) -> Vec<&Portfolio> {
        let shown = self.portfolios.iter();
        let mut shown: Vec<&Portfolio> = shown
            .filter(|one| !active_only || !one.is_archived)
            .collect();
        shown.sort_by_key(|one| one.portfolio_id != self.default_id);
        shown
    }

    /// The user registered.
    pub fn open(&mut self, at_ns: i64) {
        self.opened_at_ns = Some(at_ns);
        let main = main_portfolio(&self.user_id);
        for one in &mut self.portfolios {
            if one.portfolio_id == main {
                one.created_at_ns = Some(at_ns);
            }
        }
    }

    /// Another one.
    ///
    /// # Errors
    /// [`Rejection::TooMany`].
    pub fn create(&mut self, portfolio_id: Uuid, name: &str, at_ns: i64) -> Result<(), Rejection> {
        if self.portfolios.len() >= PORTFOLIOS_MAX {
            return Err(Rejection::TooMany);
        }
        self.portfolios.push(Portfolio {
            portfolio_id,
            name: name.to_owned(),
            is_archived: false,
            created_at_ns: Some(at_ns),
        });
        Ok(())
    }

    /// Another name.
    ///
    /// # Errors
    /// [`Rejection::Unknown`].
    pub fn rename(&mut self, portfolio_id: Uuid, name: &str) -> Result<(), Rejection> {
        name.clone_into(&mut self.get_mut(portfolio_id)?.name);
        Ok(())
    }

    /// Another default.
    ///
    /// # Errors
    /// [`Rejection::Unknown`], [`Rejection::Archived`].
    pub fn set_default(&mut self, portfolio_id: Uuid) -> Result<(), Rejection> {
        if self.get(portfolio_id)?.is_archived {
            return Err(Rejection::Archived);
        }
        self.default_id = portfolio_id;
        Ok(())
    }

    /// Takes no orders from now on. Once more is fine.
    ///
    /// # Errors
    /// [`Rejection::Unknown`], or why it must stay open.
    pub fn archive(&mut self, portfolio_id: Uuid, is_empty: bool) -> Result<(), Rejection> {
        if self.is_main(portfolio_id) {
            return Err(Rejection::Main);
        }
        if portfolio_id == self.default_id {
            return Err(Rejection::Default);
        }
        let portfolio = self.get_mut(portfolio_id)?;
        if !is_empty && !portfolio.is_archived {
            return Err(Rejection::NotEmpty);
        }
        portfolio.is_archived = true;
        Ok(())
    }

    /// Takes orders again. Once more is fine.
    ///
    /// # Errors
    /// [`Rejection::Unknown`].
    pub fn reactivate(&mut self, portfolio_id: Uuid) -> Result<(), Rejection> {
        self.get_mut(portfolio_id)?.is_archived = false;
        Ok(())
    }

    fn get_mut(&mut self, portfolio_id: Uuid) -> Result<&mut Portfolio, Rejection> {
        let mut all = self.portfolios.iter_mut();
        all.find(|one| one.portfolio_id == portfolio_id)
            .ok_or(Rejection::Unknown)
    }
}

// === impl Rejection ===

impl Refusal for Rejection {
    fn code(&self) -> Code {
        match self {
            Self::Unknown => Code::NotFound,
            Self::TooMany => Code::ResourceExhausted,
            Self::Archived | Self::NotEmpty | Self::Default | Self::Main => {
                Code::FailedPrecondition
            }
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unknown => "NO_SUCH_PORTFOLIO",
            Self::TooMany => "TOO_MANY_PORTFOLIOS",
            Self::Archived => "PORTFOLIO_ARCHIVED",
            Self::NotEmpty => "PORTFOLIO_NOT_EMPTY",
            Self::Default => "PORTFOLIO_IS_DEFAULT",
            Self::Main => "PORTFOLIO_IS_MAIN",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "00000000-0000-0000-0000-00000000000b";

    #[test]
    fn the_id_of_the_main_portfolio_follows_from_the_user_and_stays() {
        let id = main_portfolio(USER).to_string();
        assert_eq!(id, "a8550a42-5940-5228-abae-3091461bdd2d");
        assert_eq!(named_or_main("", USER), main_portfolio(USER));
    }

    #[test]
    fn only_an_empty_portfolio_that_is_neither_main_nor_default_is_archived() {
        let mut all = Portfolios::new(USER);
        let main = main_portfolio(USER);
        let other = Uuid::from_u128(1);
        all.create(other, "Other", 5).unwrap();
        assert_eq!(all.archive(other, false), Err(Rejection::NotEmpty));
        all.set_default(other).unwrap();
        assert_eq!(all.archive(other, true), Err(Rejection::Default));
        assert_eq!(all.archive(main, true), Err(Rejection::Main));
        all.set_default(main).unwrap();
        all.archive(other, true).unwrap();
        all.archive(other, false).unwrap();
        assert!(!all.is_open(other));
        assert_eq!(all.set_default(other), Err(Rejection::Archived));
        all.reactivate(other).unwrap();
        assert!(all.is_open(other));
    }

    #[test]
    fn a_user_has_at_most_twenty_portfolios() {
        let mut all = Portfolios::new(USER);
        for number in 1..20 {
            all.create(Uuid::from_u128(number), "More", 5).unwrap();
        }
        let refused = all.create(Uuid::from_u128(20), "More", 5);
        assert_eq!(refused, Err(Rejection::TooMany));
    }

    #[test]
    fn the_default_portfolio_is_listed_first() {
        let mut all = Portfolios::new(USER);
        let other = Uuid::from_u128(1);
        all.create(other, "Other", 5).unwrap();
        all.set_default(other).unwrap();
        let listed = all.listed(false).into_iter().map(|one| one.portfolio_id);
        assert!(listed.eq([other, main_portfolio(USER)]));
    }
}
