use proptest::prelude::*;

use super::*;

fn money(currency: &str, units: i64, nanos: i32) -> Money {
    Money {
        currency_code: currency.to_owned(),
        units,
        nanos,
    }
}

fn amount(text: &str) -> Amount {
    text.parse().expect("an amount")
}

fn any_amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        (-RAW_MAX..=RAW_MAX),
        (-1_000_000i64..=1_000_000),
        Just(RAW_MAX),
        Just(-RAW_MAX),
    ]
    .prop_map(|raw| Amount::from_raw(raw).expect("in range"))
}

#[test]
fn money_of_another_currency_is_refused() {
    assert_eq!(
        Amount::from_money(&money("EUR", 1, 0)),
        Err(MoneyError::Currency)
    );
    assert_eq!(
        Amount::from_money(&money("usd", 1, 0)),
        Err(MoneyError::Currency)
    );
    assert_eq!(
        Amount::from_money(&money("", 0, 0)),
        Err(MoneyError::Currency)
    );
}

#[test]
fn money_with_disagreeing_signs_is_refused() {
    assert_eq!(
        Amount::from_money(&money("USD", 1, -100_000)),
        Err(MoneyError::SignMismatch)
    );
    assert_eq!(
        Amount::from_money(&money("USD", -1, 100_000)),
        Err(MoneyError::SignMismatch)
    );
}

#[test]
fn money_below_one_unit_has_either_sign() {
    assert_eq!(
        Amount::from_money(&money("USD", 0, -500_000_000)),
        Ok(amount("-0.50"))
    );
    assert_eq!(
        Amount::from_money(&money("USD", 0, 500_000_000)),
        Ok(amount("0.50"))
    );
}

#[test]
fn money_finer_than_a_ten_thousandth_is_refused() {
    assert_eq!(
        Amount::from_money(&money("USD", 1, 99_999)),
        Err(MoneyError::TooPrecise)
    );
    assert_eq!(
        Amount::from_money(&money("USD", 1, 100_001)),
        Err(MoneyError::TooPrecise)
    );
    assert_eq!(
        Amount::from_money(&money("USD", 1, 100_000)),
        Ok(amount("1.0001"))
    );
}

#[test]
fn money_with_nanos_of_a_unit_or_more_is_refused() {
    for nanos in [1_000_000_000, -1_000_000_000, i32::MAX, i32::MIN] {
        let units = i64::from(nanos.signum());
        assert_eq!(
            Amount::from_money(&money("USD", units, nanos)),
            Err(MoneyError::NanosOutOfRange)
        );
    }
}

#[test]
fn money_beyond_the_range_is_refused() {
    for units in [UNITS_MAX + 1, -UNITS_MAX - 1, i64::MAX, i64::MIN] {
        assert_eq!(
            Amount::from_money(&money("USD", units, 0)),
            Err(MoneyError::Overflow)
        );
    }
    assert_eq!(
        Amount::from_money(&money("USD", UNITS_MAX, 100_000)),
        Err(MoneyError::Overflow)
    );
    assert_eq!(
        Amount::from_money(&money("USD", UNITS_MAX, 0)),
        Ok(Amount::MAX)
    );
}

#[test]
fn a_missing_amount_says_so() {
    assert_eq!(Amount::from_required(None), Err(MoneyError::Missing));
    assert_eq!(
        Amount::from_required(Some(&money("USD", 2, 0))),
        Ok(Amount::from_units(2))
    );
}

#[test]
fn amounts_are_written_with_two_to_four_decimals() {
    for (raw, text) in [
        (0, "0.00"),
        (123_400, "12.34"),
        (123_450, "12.345"),
        (123_456, "12.3456"),
        (-5_000, "-0.50"),
        (1, "0.0001"),
        (RAW_MAX, "900000000000000.00"),
    ] {
        assert_eq!(Amount::from_raw(raw).expect("in range").to_string(), text);
    }
    assert_eq!(
        format!("{:>8}|{:+}", amount("1.5"), amount("1.5")),
        "    1.50|+1.50"
    );
}

#[test]
fn text_that_is_not_a_plain_decimal_is_refused() {
    for text in [
        "", "-", ".", ".5", "5.", "+1", "1,5", "1e3", " 1", "1 ", "--1", "1.2.3", "१",
    ] {
        assert_eq!(
            text.parse::<Amount>(),
            Err(MoneyError::Malformed),
            "{text:?}"
        );
    }
    assert_eq!("1.00000".parse::<Amount>(), Err(MoneyError::TooPrecise));
    assert_eq!(
        "900000000000000.0001".parse::<Amount>(),
        Err(MoneyError::Overflow)
    );
    assert_eq!(
        "999999999999999.9999".parse::<Amount>(),
        Err(MoneyError::Overflow)
    );
    assert_eq!(
        "1000000000000000".parse::<Amount>(),
        Err(MoneyError::Overflow)
    );
    assert_eq!(
        "00000000000000000000012".parse::<Amount>(),
        Ok(Amount::from_units(12))
    );
    assert_eq!("-0".parse::<Amount>(), Ok(Amount::ZERO));
}

#[test]
fn rounding_goes_the_way_it_is_told() {
    let of = |raw, numerator, denominator, rounding| {
        Amount::from_raw(raw)
            .expect("in range")
            .checked_mul_div(numerator, denominator, rounding)
            .map(Amount::raw)
    };
    for (raw, floor, ceil, even) in [
        (5, 2, 3, 2),
        (7, 3, 4, 4),
        (-5, -3, -2, -2),
        (-7, -4, -3, -4),
        (6, 3, 3, 3),
    ] {
        assert_eq!(of(raw, 1, 2, Rounding::Floor), Some(floor));
        assert_eq!(of(raw, 1, 2, Rounding::Ceil), Some(ceil));
        assert_eq!(of(raw, 1, 2, Rounding::HalfEven), Some(even));
        assert_eq!(of(raw, -1, -2, Rounding::HalfEven), Some(even));
    }
    assert_eq!(of(1, 1, 0, Rounding::Floor), None);
    assert_eq!(
        of(RAW_MAX, i64::MIN, i64::MIN, Rounding::Floor),
        Some(RAW_MAX)
    );
    assert_eq!(of(RAW_MAX, 2, 1, Rounding::Floor), None);
}

proptest! {
    #[test]
    fn money_round_trips(amount in any_amount()) {
        prop_assert_eq!(Amount::from_money(&amount.to_money()), Ok(amount));
    }

    #[test]
    fn every_amount_is_valid_money(amount in any_amount()) {
        use outcry_contracts::Validate as _;
        prop_assert!(amount.to_money().validate().is_ok());
    }

    #[test]
    fn any_money_is_read_exactly_or_refused(units: i64, nanos: i32) {
        if let Ok(amount) = Amount::from_money(&money(CURRENCY, units, nanos)) {
            let billionths = i128::from(units) * 1_000_000_000 + i128::from(nanos);
            prop_assert_eq!(i128::from(amount.raw()) * 100_000, billionths);
        }
    }

    #[test]
    fn text_round_trips(amount in any_amount()) {
        prop_assert_eq!(amount.to_string().parse(), Ok(amount));
    }

    #[test]
    fn json_round_trips_as_text(amount in any_amount()) {
        let json = serde_json::to_value(amount).expect("json");
        prop_assert_eq!(&json, &serde_json::Value::String(amount.to_string()));
        prop_assert_eq!(serde_json::from_value::<Amount>(json).expect("amount"), amount);
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[-+0-9., e]{0,30}") {
        let _ = text.parse::<Amount>();
    }

    #[test]
    fn arithmetic_is_exact_or_refused(a in any_amount(), b in any_amount(), times: i64) {
        let exact = |value: i128| {
            i64::try_from(value).ok().and_then(|raw| Amount::from_raw(raw).ok())
        };
        let (x, y) = (i128::from(a.raw()), i128::from(b.raw()));
        prop_assert_eq!(a.checked_add(b), exact(x + y));
        prop_assert_eq!(a.checked_sub(b), exact(x - y));
        prop_assert_eq!(a.checked_mul(times), exact(x * i128::from(times)));
        prop_assert_eq!(a.checked_sub(b).map(Neg::neg), b.checked_sub(a));
    }

    #[test]
    fn rounded_quotients_are_next_to_the_exact_one(
        a in any_amount(), numerator in -10_000i64..10_000, denominator in 1i64..1_000_000,
    ) {
        let exact = i128::from(a.raw()) * i128::from(numerator);
        let denominator_wide = i128::from(denominator);
        let floor = a.checked_mul_div(numerator, denominator, Rounding::Floor);
        let ceil = a.checked_mul_div(numerator, denominator, Rounding::Ceil);
        let even = a.checked_mul_div(numerator, denominator, Rounding::HalfEven);
        if let (Some(floor), Some(ceil), Some(even)) = (floor, ceil, even) {
            let product = |amount: Amount| i128::from(amount.raw()) * denominator_wide;
            prop_assert!(product(floor) <= exact && exact < product(floor) + denominator_wide);
            prop_assert!(product(ceil) >= exact && exact > product(ceil) - denominator_wide);
            prop_assert!((product(even) - exact).abs() * 2 <= denominator_wide);
        }
    }
}
