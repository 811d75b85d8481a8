//! Given terms and a market, then this need or that refusal.

use outcry_contracts::orders::v1::TimeInForce;

use super::*;

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn config() -> Config {
    let mut config = Config::default();
    config.fees.maker_bps = 5;
    config.fees.taker_bps = 10;
    config.market_collar_bps = 300;
    config
}

fn rules() -> Rules {
    Rules {
        symbol: "ACME".to_owned(),
        tick: amount("0.05"),
        lot: 10,
        band_bps: None,
        reference: None,
        max_value: Some(Amount::from_units(100_000)),
        max_quantity: None,
    }
}

fn limit(side: Side, quantity: i64, price: &str) -> OrderTerms {
    OrderTerms {
        symbol: "ACME".to_owned(),
        side: side.into(),
        r#type: OrderType::Limit.into(),
        quantity,
        limit_price: Some(amount(price).to_money()),
        time_in_force: TimeInForce::Gtc.into(),
        ..OrderTerms::default()
    }
}

fn market(side: Side, quantity: i64) -> OrderTerms {
    OrderTerms {
        r#type: OrderType::Market.into(),
        limit_price: None,
        ..limit(side, quantity, "1")
    }
}

fn quote() -> Quote {
    Quote {
        best_bid: Some(amount("99.95")),
        best_ask: Some(amount("100.05")),
        session: SessionState::Open,
    }
}

fn stop(side: Side, price: &str) -> OrderTerms {
    OrderTerms {
        r#type: OrderType::Stop.into(),
        stop_price: Some(amount(price).to_money()),
        ..market(side, 10)
    }
}

fn need(terms: &OrderTerms) -> Result<Need, Refused> {
    under(&rules(), terms)
}

fn under(rules: &Rules, terms: &OrderTerms) -> Result<Need, Refused> {
    let user = Some(UserStatus::Active);
    assess(&config(), user, terms, Some(rules), quote())
}

#[track_caller]
fn refused_for(terms: &OrderTerms, reason: RejectReason) {
    assert_eq!(need(terms).unwrap_err().reason, reason);
}

#[test]
fn a_limit_buy_needs_its_value_and_the_largest_fee_rounded_up() {
    let found = need(&limit(Side::Buy, 10, "0.15")).unwrap();
    // 1.50, and ten basis points of it: 0.0015.
    assert_eq!(found.lock, Lock::Cash(15_015));
    assert_eq!(found.protection(), amount("0.15"));
    // Ten basis points of 0.0500 are half a ten-thousandth: one is locked.
    let terms = limit(Side::Buy, 1, "0.05");
    assert_eq!(
        lock(&config(), &terms, amount("0.05"), 1),
        Some(Lock::Cash(501))
    );
}

#[test]
fn a_sell_needs_its_shares() {
    let found = need(&limit(Side::Sell, 20, "100")).unwrap();
    let symbol = "ACME".to_owned();
    assert_eq!(
        found.lock,
        Lock::Shares {
            symbol,
            quantity: 20
        }
    );
    assert_eq!(found.lock.size(), 20);
}

#[test]
fn a_market_order_is_protected_by_a_collar_on_a_tick() {
    // 100.05 × 1.03 = 103.0515, down to the tick.
    let buy = need(&market(Side::Buy, 10)).unwrap();
    assert_eq!(buy.protection(), amount("103.05"));
    assert_eq!(buy.lock, Lock::Cash(amount("1031.5305").raw()));
    // 99.95 × 0.97 = 96.9515, up to the tick.
    assert_eq!(
        need(&market(Side::Sell, 10)).unwrap().protection(),
        amount("97")
    );
}

#[test]
fn a_collar_never_falls_below_one_tick() {
    let mut wide = config();
    wide.market_collar_bps = 10_000;
    let found = assess(
        &wide,
        Some(UserStatus::Active),
        &market(Side::Sell, 10),
        Some(&rules()),
        quote(),
    );
    assert_eq!(found.unwrap().protection(), amount("0.05"));
}

#[test]
fn a_market_order_needs_somebody_to_trade_with() {
    let ask = |side, quote| {
        let user = Some(UserStatus::Active);
        assess(&config(), user, &market(side, 10), Some(&rules()), quote)
            .map(|_| ())
            .map_err(|refused| refused.reason)
    };
    let no_asks = Quote {
        best_ask: None,
        ..quote()
    };
    assert_eq!(ask(Side::Buy, no_asks), Err(RejectReason::NoLiquidity));
    assert_eq!(ask(Side::Sell, no_asks), Ok(()));
    for (session, outcome) in [
        (SessionState::Halted, Err(RejectReason::SymbolHalted)),
        (SessionState::CancelOnly, Err(RejectReason::SymbolHalted)),
        (SessionState::Closed, Err(RejectReason::SymbolClosed)),
        (SessionState::PostOnly, Ok(())),
    ] {
        let quote = Quote { session, ..quote() };
        assert_eq!(ask(Side::Sell, quote), outcome, "{session:?}");
    }
}

#[test]
fn a_stop_order_is_locked_at_its_collar_and_a_stop_limit_order_at_its_limit() {
    // 100.00 × 1.03, and × 0.97 for a sell.
    let bought = need(&stop(Side::Buy, "100")).unwrap();
    assert_eq!(bought.protection(), amount("103"));
    assert_eq!(bought.lock, Lock::Cash(amount("1031.03").raw()));
    let sold = need(&stop(Side::Sell, "100")).unwrap();
    assert_eq!((sold.protection(), sold.lock.size()), (amount("97"), 10));
    let stop_limit = OrderTerms {
        r#type: OrderType::StopLimit.into(),
        limit_price: Some(amount("101").to_money()),
        ..stop(Side::Buy, "100")
    };
    let limited = need(&stop_limit).unwrap();
    assert_eq!(limited.protection(), amount("101"));
    assert_eq!(limited.lock, Lock::Cash(amount("1011.01").raw()));
    refused_for(&stop(Side::Buy, "100.01"), RejectReason::BadTick);
}

#[test]
fn a_limit_far_from_the_last_price_is_refused_and_one_on_the_edge_is_not() {
    let banded = Rules {
        band_bps: Some(1_000),
        reference: Some(amount("50")),
        ..rules()
    };
    let reason = |price| {
        let judged = under(&banded, &limit(Side::Buy, 10, price));
        judged.map(|_| ()).map_err(|refused| refused.reason)
    };
    assert_eq!(reason("45"), Ok(()));
    assert_eq!(reason("55"), Ok(()));
    assert_eq!(reason("44.95"), Err(RejectReason::PriceBand));
    assert_eq!(reason("55.05"), Err(RejectReason::PriceBand));
    // The band is for limits: a stop order waits for its price, however far away.
    assert!(under(&banded, &stop(Side::Buy, "80")).is_ok());
}

#[test]
fn the_rules_of_the_instrument_are_kept() {
    refused_for(&limit(Side::Buy, 11, "100"), RejectReason::BadLot);
    refused_for(&limit(Side::Buy, 10, "100.01"), RejectReason::BadTick);
    refused_for(&limit(Side::Sell, 1000, "100.05"), RejectReason::ValueLimit);
    assert!(need(&limit(Side::Sell, 1000, "100")).is_ok());
    let mut unknown = limit(Side::Buy, 10, "100");
    unknown.symbol = "NOPE".to_owned();
    let nothing = assess(&config(), Some(UserStatus::Active), &unknown, None, quote());
    assert_eq!(nothing.unwrap_err().reason, RejectReason::UnknownSymbol);
    let small = Rules {
        max_quantity: Some(20),
        ..rules()
    };
    assert!(under(&small, &limit(Side::Buy, 20, "1")).is_ok());
    let refused = under(&small, &limit(Side::Buy, 30, "1")).unwrap_err();
    assert_eq!(refused.reason, RejectReason::ValueLimit);
    assert!(refused.message.contains("20 shares"));
    let huge = limit(Side::Buy, 1_000_000_000, "900000000000");
    refused_for(&huge, RejectReason::ValueLimit);
}

#[test]
fn only_active_users_trade() {
    let reason = |user| check_user(user).map_err(|refused| refused.reason);
    assert_eq!(reason(Some(UserStatus::Active)), Ok(()));
    assert_eq!(
        reason(Some(UserStatus::Suspended)),
        Err(RejectReason::UserNotActive)
    );
    assert_eq!(
        reason(Some(UserStatus::Closed)),
        Err(RejectReason::UserNotActive)
    );
    assert_eq!(reason(None), Err(RejectReason::AccountNotReady));
}

proptest::proptest! {
    /// I9: whatever the fills, within the limit and under either fee rate, what a buy spends is
    /// covered by what was locked for it.
    #[test]
    fn a_buy_never_spends_more_than_its_lock(
        limit in 1..2_000_i64,
        fills in proptest::collection::vec((1..50_i64, 0..2_000_i64, proptest::bool::ANY), 1..20),
    ) {
        let config = config();
        let quantity = fills.iter().map(|(shares, _, _)| shares).sum();
        let terms = market(Side::Buy, quantity);
        let price = Amount::from_raw(limit).unwrap();
        let Some(Lock::Cash(locked)) = lock(&config, &terms, price, quantity) else {
            panic!("a buy locks cash");
        };
        let (mut value, mut due) = (0, 0);
        for (shares, below, maker) in fills {
            let notional = (limit - below).max(1) * shares;
            let bps = if maker { config.fees.maker_bps } else { config.fees.taker_bps };
            value += notional;
            due += i64::from(bps) * notional;
        }
        let fee = (due + BASIS_POINTS - 1) / BASIS_POINTS;
        proptest::prop_assert!(value + fee <= locked, "{value} + {fee} > {locked}");
    }
}
