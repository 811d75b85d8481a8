//! The lanes calls go in, so that what can wait never keeps out what cannot.

use outcry_contracts::options::v1::Criticality;
use outcry_mesh::authorize::Rule;

/// What kind of call it is, by how much the contract says it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Somebody looks at something.
    Reads,
    /// Somebody's order or money waits for it.
    Orders,
    /// Takes risk away.
    Cancels,
    /// Signing in, registering, renewing tokens: anybody may, and each try may be a guess.
    SignIns,
}

impl Lane {
    /// The lane of a method's calls.
    pub(super) fn of(rule: &Rule) -> Lane {
        match rule.criticality {
            Criticality::CriticalPlus => Lane::Cancels,
            Criticality::Sheddable | Criticality::SheddablePlus => Lane::Reads,
            _ if rule.public => Lane::SignIns,
            _ => Lane::Orders,
        }
    }

    /// What its calls are called towards a caller.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Lane::Reads => "reads",
            Lane::Orders => "orders and changes",
            Lane::Cancels => "cancellations",
            Lane::SignIns => "sign-ins",
        }
    }
}

#[cfg(test)]
mod tests {
    use outcry_mesh::Rules;

    use super::*;

    #[test]
    fn the_contract_puts_every_kind_of_call_in_its_lane() {
        let rules = Rules::of_the_contract();
        for (path, lane) in [
            ("/outcry.orders.v1.OrderService/PlaceOrder", Lane::Orders),
            ("/outcry.funds.v1.FundsService/Withdraw", Lane::Orders),
            ("/outcry.orders.v1.OrderService/CancelOrder", Lane::Cancels),
            (
                "/outcry.orders.v1.OrderService/CancelAllOrders",
                Lane::Cancels,
            ),
            ("/outcry.orders.v1.OrderService/ListOrders", Lane::Reads),
            ("/outcry.trades.v1.TradeService/GetBook", Lane::Reads),
            ("/outcry.users.v1.UserService/Login", Lane::SignIns),
            ("/outcry.users.v1.UserService/Register", Lane::SignIns),
        ] {
            assert_eq!(Lane::of(rules.rule(path).unwrap()), lane, "{path}");
        }
    }
}
