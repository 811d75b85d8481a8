use super::*;
use crate::samples::{Script, broken, sale};

/// Breaches, and how much is pending, when the consumers say that they handled everything or
/// nothing.
fn judged(script: &Script, handled: bool) -> (usize, u64) {
    let history = script.history();
    let mut findings = Findings::default();
    for effect in effects(&history) {
        effect.judge(handled, &mut findings);
    }
    assert!(
        broken(&findings)
            .iter()
            .all(|invariant| *invariant == "I14")
    );
    (findings.breaches.len(), findings.pending.values().sum())
}

fn missing(script: &Script) {
    assert_eq!(judged(script, true), (1, 0));
    assert_eq!(judged(script, false), (0, 1));
}

#[test]
fn a_sale_as_it_should_be_breaks_nothing() {
    assert_eq!(judged(&sale(), true), (0, 0));
    assert_eq!(judged(&sale(), false), (0, 0));
}

#[test]
fn i14_a_missing_effect_is_a_breach_once_its_events_are_handled() {
    missing(&sale().without::<OrderFilledEvent>(0));
    missing(&sale().without::<FundsDepositedEvent>(0));
    missing(&sale().without::<TradeCreatedEvent>(0));
    missing(&sale().without::<TradeClosedEvent>(1));
}

#[test]
fn i14_an_effect_that_happened_twice_is_a_breach_at_once() {
    let twice = [
        sale().again::<OrderFilledEvent>(0),
        sale().again::<FundsDepositedEvent>(0),
        sale().again::<FundsSettledEvent>(0),
        sale().again::<TradeCreatedEvent>(0),
        sale().again::<TradeClosedEvent>(0),
        sale().again::<ReportCompletedEvent>(0),
    ];
    for script in &twice {
        assert_eq!(judged(script, false), (1, 0));
    }
}

#[test]
fn i14_a_trade_closed_before_it_is_settled_is_a_breach() {
    let script = sale().without::<FundsSettledEvent>(0);
    let (breaches, pending) = judged(&script, false);
    assert_eq!((breaches, pending), (2, 1));
}

#[test]
fn a_trade_that_is_not_settled_has_nothing_to_close() {
    let script = sale()
        .without::<FundsSettledEvent>(0)
        .without::<TradeClosedEvent>(0)
        .without::<TradeClosedEvent>(0);
    assert_eq!(judged(&script, false), (0, 1));
}

#[test]
fn i14_a_user_that_a_consumer_does_not_know_is_missing() {
    let history = sale().history();
    let effects = for_users(&history, "funds", "an account", &BTreeMap::new());
    assert_eq!(effects.len(), 2);
    assert!(effects.iter().all(|effect| effect.times == 0));
}
