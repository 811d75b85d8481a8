//! Given a request, then what is wrong with it.

use std::time::UNIX_EPOCH;

use super::*;

const NOW_S: u64 = 1_767_623_400;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW_S)
}

fn price(units: i32) -> Option<Money> {
    Some(Amount::from_units(units).to_money())
}

/// Well-formed terms of this type.
fn of(kind: OrderType) -> OrderTerms {
    OrderTerms {
        r#type: kind.into(),
        quantity: 10,
        limit_price: price(10).filter(|_| has_limit(kind)),
        stop_price: price(9).filter(|_| waits_for_stop(kind)),
        time_in_force: TimeInForce::Gtc.into(),
        ..OrderTerms::default()
    }
}

fn good_till(ahead: Duration) -> OrderTerms {
    OrderTerms {
        time_in_force: TimeInForce::Gtd.into(),
        expires_at: Some((now() + ahead).into()),
        ..of(OrderType::Limit)
    }
}

#[track_caller]
fn wrong(terms: &OrderTerms, field: &str, says: &str) {
    let found = malformed(terms, now());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].field, field);
    assert!(found[0].message.contains(says), "{}", found[0].message);
}

const KINDS: [OrderType; 4] = [
    OrderType::Market,
    OrderType::Limit,
    OrderType::Stop,
    OrderType::StopLimit,
];

#[test]
fn every_type_has_the_prices_it_needs_and_no_others() {
    for kind in KINDS {
        assert_eq!(malformed(&of(kind), now()), []);
        let mut terms = of(kind);
        terms.limit_price = price(10).filter(|_| !has_limit(kind));
        let says = if has_limit(kind) {
            "must be given"
        } else {
            "must be left out"
        };
        wrong(&terms, "terms.limit_price", says);
        let mut terms = of(kind);
        terms.stop_price = price(9).filter(|_| !waits_for_stop(kind));
        let says = if waits_for_stop(kind) {
            "must be given"
        } else {
            "must be left out"
        };
        wrong(&terms, "terms.stop_price", says);
    }
}

#[test]
fn prices_are_positive_amounts_of_the_one_currency() {
    let mut terms = of(OrderType::StopLimit);
    terms.limit_price = price(0);
    wrong(&terms, "terms.limit_price", "more than nothing");
    let mut terms = of(OrderType::StopLimit);
    terms.stop_price.as_mut().unwrap().currency_code = "EUR".to_owned();
    wrong(&terms, "terms.stop_price", "USD");
}

#[test]
fn a_gtd_order_ends_in_the_future_and_within_a_year_and_others_name_no_end() {
    assert_eq!(malformed(&good_till(Duration::from_secs(1)), now()), []);
    assert_eq!(malformed(&good_till(GTD_MAX), now()), []);
    wrong(
        &good_till(Duration::ZERO),
        "terms.expires_at",
        "in the future",
    );
    let far = GTD_MAX + Duration::from_secs(1);
    wrong(&good_till(far), "terms.expires_at", "use GTC");
    let mut endless = good_till(GTD_MAX);
    endless.expires_at = None;
    wrong(&endless, "terms.expires_at", "must be given");
    let mut day = good_till(GTD_MAX);
    day.set_time_in_force(TimeInForce::Day);
    wrong(&day, "terms.expires_at", "must be left out");
}

#[test]
fn only_what_may_rest_is_post_only_and_what_waits_is_not_immediate() {
    for kind in KINDS {
        for force in [
            TimeInForce::Day,
            TimeInForce::Gtc,
            TimeInForce::Ioc,
            TimeInForce::Fok,
        ] {
            let immediate = matches!(force, TimeInForce::Ioc | TimeInForce::Fok);
            let mut terms = of(kind);
            terms.set_time_in_force(force);
            if waits_for_stop(kind) && immediate {
                wrong(&terms, "terms.time_in_force", "DAY, GTC or GTD");
                continue;
            }
            assert_eq!(malformed(&terms, now()), []);
            terms.post_only = true;
            if kind == OrderType::Limit && !immediate {
                assert_eq!(malformed(&terms, now()), []);
            } else {
                wrong(&terms, "terms.post_only", "must be false");
            }
        }
    }
    let mut market = good_till(GTD_MAX);
    market.set_type(OrderType::Market);
    market.limit_price = None;
    wrong(&market, "terms.time_in_force", "never rests");
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let mut terms = of(OrderType::Market);
    terms.limit_price = price(1);
    terms.stop_price = price(1);
    terms.post_only = true;
    let found = malformed(&terms, now());
    assert_eq!(found.len(), 3);
    let status = refusal(&found);
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_details_bad_request().unwrap();
    let fields: Vec<_> = details
        .field_violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(
        fields,
        ["terms.limit_price", "terms.stop_price", "terms.post_only"]
    );
}

#[test]
fn a_change_names_only_prices_the_order_has() {
    let asked = ReplaceOrderRequest {
        limit_price: price(10),
        stop_price: price(9),
        ..ReplaceOrderRequest::default()
    };
    let fields = |kind| -> Vec<_> {
        let found = malformed_change(&asked, kind);
        found.into_iter().map(|one| one.field).collect()
    };
    assert_eq!(fields(OrderType::StopLimit), [""; 0]);
    assert_eq!(fields(OrderType::Limit), ["stop_price"]);
    assert_eq!(fields(OrderType::Stop), ["limit_price"]);
    assert_eq!(fields(OrderType::Market), ["limit_price", "stop_price"]);
}
