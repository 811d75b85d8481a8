//! Which services an account may speak for.

use std::collections::{BTreeMap, BTreeSet};

use crate::identity::EDGE;

/// The account of the process with the public edge, which calls in the edge's name, too.
const GATEWAY: &str = "gateway";

/// Which services the accounts in certificates may speak for: an account `x` for the service `x`,
/// `gateway` also for the public edge, and what is [added](Accounts::allow).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    added: BTreeMap<String, BTreeSet<String>>,
}

impl Accounts {
    /// Lets an account speak for more services: for processes that run several under one identity.
    pub fn allow<S: Into<String>>(
        &mut self,
        account: impl Into<String>,
        services: impl IntoIterator<Item = S>,
    ) {
        self.added
            .entry(account.into())
            .or_default()
            .extend(services.into_iter().map(Into::into));
    }

    /// Whether an account may call in a service's name, and answer calls to it.
    pub fn may_speak_for(&self, account: &str, service: &str) -> bool {
        let added = || self.added.get(account);
        account == service
            || (account == GATEWAY && service == EDGE)
            || added().is_some_and(|services| services.contains(service))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_speaks_for_its_own_service_and_for_what_was_added() {
        let mut accounts = Accounts::default();
        assert!(accounts.may_speak_for("orders", "orders"));
        assert!(!accounts.may_speak_for("orders", "funds"));
        assert!(accounts.may_speak_for("gateway", "edge"));
        assert!(!accounts.may_speak_for("orders", "edge"));
        assert!(!accounts.may_speak_for("core", "orders"));
        accounts.allow("core", ["orders", "trades"]);
        assert!(accounts.may_speak_for("core", "orders"));
        assert!(accounts.may_speak_for("core", "trades"));
        assert!(accounts.may_speak_for("core", "core"));
        assert!(!accounts.may_speak_for("core", "funds"));
        assert!(!accounts.may_speak_for("orders", "trades"));
        assert!(!accounts.may_speak_for("", "orders"));
    }
}
