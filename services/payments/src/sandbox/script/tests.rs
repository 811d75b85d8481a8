//! Courses of the sandbox.

use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;

const USUAL: Duration = Duration::from_secs(1);

fn charge(amount: &str) -> Charge {
    Charge {
        payment_id: "0190a000-0000-7000-8000-000000000001".to_owned(),
        amount: amount.parse().unwrap(),
        created: UNIX_EPOCH,
        expires: UNIX_EPOCH + Duration::from_secs(900),
    }
}

fn payout(amount: &str) -> Payout {
    Payout {
        payout_id: "0190a000-0000-7000-8000-000000000002".to_owned(),
        amount: amount.parse().unwrap(),
        destination_last4: "1234".to_owned(),
        asked: UNIX_EPOCH,
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Where a payment stands after so many seconds.
fn standing(amount: &str, seconds: u64) -> Standing {
    of_charge(&charge(amount), USUAL)
        .standing_at(at(seconds))
        .unwrap()
}

/// What its webhooks say, in their order.
fn told(amount: &str) -> Vec<Standing> {
    let posts = of_charge(&charge(amount), USUAL).posts;
    let notices = posts.iter().map(|post| letter::read(&post.body).unwrap());
    notices.map(|notice| notice.standing).collect()
}

fn is_captured(standing: &Standing) -> bool {
    matches!(standing, Standing::Captured(_))
}

#[test]
fn an_ordinary_amount_is_captured_after_the_usual_time_and_a_webhook_says_so_then() {
    assert!(!is_captured(&standing("100.00", 0)));
    assert!(is_captured(&standing("100.00", 1)));
    for number in 0..32 {
        let mut charge = charge("100.00");
        charge.payment_id = number.to_string();
        let posts = of_charge(&charge, USUAL).posts;
        let first = posts
            .iter()
            .find(|post| is_captured(&letter::read(&post.body).unwrap().standing));
        assert_eq!(first.unwrap().at, at(1));
    }
}

#[test]
fn the_cents_choose_the_course_of_a_payment() {
    assert!(is_captured(&standing("5.11", 1)) && told("5.11").is_empty());
    assert_eq!(told("5.12").len(), 3);
    assert!(matches!(told("5.13")[..], [Standing::Declined { .. }]));
    let Standing::Captured(less) = standing("5.14", 1) else {
        panic!("nothing is captured");
    };
    assert_eq!(Amount::from_money(&less.money), "5.13".parse());
    let Standing::Captured(foreign) = standing("5.15", 1) else {
        panic!("nothing is captured");
    };
    assert_eq!(foreign.money.currency_code, OTHER_CURRENCY);
    assert_eq!(standing("5.16", 9), Standing::Authorized);
    assert!(is_captured(&standing("5.16", 10)));
    for late in ["5.17", "5.18"] {
        assert!(!is_captured(&standing(late, 900)));
        assert!(is_captured(&standing(late, 901)));
    }
    assert!(told("5.18").is_empty());
    let out_of_order = told("5.19");
    assert!(is_captured(&out_of_order[0]) && out_of_order[1] == Standing::Authorized);
    let twice = told("5.21");
    assert!(matches!(twice[0], Standing::Declined { .. }) && is_captured(&twice[1]));
    assert_eq!(standing("5.22", 1_000_000), Standing::Authorized);
    assert_eq!(of_charge(&charge("5.23"), USUAL).posts[0].at, at(61));
    let outage = of_charge(&charge("5.24"), USUAL);
    assert!(outage.standing_at(at(1)).is_err());
    assert!(is_captured(&outage.standing_at(at(3)).unwrap()));
}

#[test]
fn the_cents_choose_the_course_of_a_payout() {
    use PayoutStatus::{Paid, Pending, Refused, Unknown};
    for (amount, sent, soon, later) in [
        ("5.00", Some(Paid), Paid, Paid),
        ("5.11", None, Paid, Paid),
        ("5.13", Some(Refused), Refused, Refused),
        ("5.14", Some(Pending), Pending, Refused),
        ("5.17", Some(Pending), Pending, Paid),
        ("5.24", None, Unknown, Paid),
    ] {
        let payout = payout(amount);
        let answer = payout_sent(&payout, at(0)).ok();
        assert_eq!(answer.map(|said| said.status), sent, "{amount}");
        assert_eq!(payout_at(&payout, at(1)).status, soon, "{amount}");
        assert_eq!(payout_at(&payout, at(2)).status, later, "{amount}");
    }
}

proptest! {
    /// The sandbox keeps nothing, so what it says must follow from what it is asked about.
    #[test]
    fn a_payment_has_one_script_with_webhooks_in_order_of_time(cents in 0..100_i64, id in any::<u128>()) {
        let charge = Charge {
            payment_id: format!("{id:032x}"),
            amount: Amount::from_raw(7 * UNIT + cents * CENT).unwrap(),
            ..charge("1.00")
        };
        let script = of_charge(&charge, USUAL);
        prop_assert_eq!(&of_charge(&charge, USUAL), &script);
        prop_assert!(script.posts.is_sorted_by_key(|post| post.at));
        prop_assert!(script.standings.is_sorted_by_key(|(from, _)| *from));
        for post in &script.posts {
            // What a webhook says was so before: it tells no future.
            let said = letter::read(&post.body).unwrap().standing;
            let mut so_far = script.standings.iter().filter(|(from, _)| *from <= post.at);
            prop_assert!(so_far.any(|(_, standing)| *standing == said));
        }
    }
}
