//! Given terms and a market, then this need or that refusal.

use super::*;

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn config() -> Config {
    let mut config = Config::default();
    config.fees.maker_bps = 5;
    config.fees.taker_bps = 10;
    config.market_collar_bps = 300;
    config.instruments = vec![Instrument {
        symbol: "ACME".to_owned(),
        name: "Acme".to_owned(),
        tick: amount("0.05"),
        lot: 10,
        max_order_value: Amount::from_units(100_000),
    }];
    config
}

fn limit(side: Side, quantity: i64, price: &str) -> OrderTerms {
    OrderTerms {
        symbol: "ACME".to_owned(),
        side: side.into(),
        r#type: OrderType::Limit.into(),
        quantity,
        limit_price: Some(amount(price).to_money()),
        time_in_force: TimeInForce::Gtc.into(),
        post_only: false,
        ..Default::default()
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
        halted: false,
    }
}

fn need(terms: &OrderTerms) -> Result<Need, Refused> {
    assess(&config(), Some(UserStatus::Active), terms, quote())
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
    let mut cheap = config();
    cheap.instruments[0].lot = 1;
    let terms = limit(Side::Buy, 1, "0.05");
    assert_eq!(
        lock(&cheap, &terms, amount("0.05"), 1),
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
        quote(),
    );
    assert_eq!(found.unwrap().protection(), amount("0.05"));
}

#[test]
fn a_market_order_needs_somebody_to_trade_with() {
    let ask = |side, quote| {
        assess(
            &config(),
            Some(UserStatus::Active),
            &market(side, 10),
            quote,
        )
        .map(|_| ())
        .map_err(|refused| refused.reason)
    };
    let no_asks = Quote {
        best_ask: None,
        ..quote()
    };
    assert_eq!(ask(Side::Buy, no_asks), Err(RejectReason::NoLiquidity));
    assert_eq!(ask(Side::Sell, no_asks), Ok(()));
    let halted = Quote {
        halted: true,
        ..quote()
    };
    assert_eq!(ask(Side::Sell, halted), Err(RejectReason::SymbolHalted));
}

#[test]
fn the_rules_of_the_instrument_are_kept() {
    refused_for(&limit(Side::Buy, 11, "100"), RejectReason::BadLot);
    refused_for(&limit(Side::Buy, 10, "100.01"), RejectReason::BadTick);
    refused_for(&limit(Side::Sell, 1000, "100.05"), RejectReason::ValueLimit);
    assert!(need(&limit(Side::Sell, 1000, "100")).is_ok());
    let mut unknown = limit(Side::Buy, 10, "100");
    unknown.symbol = "NOPE".to_owned();
    refused_for(&unknown, RejectReason::UnknownSymbol);
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

#[test]
fn what_is_not_an_order_is_told_by_field() {
    let field = |terms: &OrderTerms| malformed(terms).map(|malformed| malformed.field);
    let mut without_price = limit(Side::Buy, 10, "100");
    assert_eq!(field(&without_price), None);
    without_price.limit_price = None;
    assert_eq!(field(&without_price), Some("terms.limit_price"));
    let mut with_price = market(Side::Buy, 10);
    assert_eq!(field(&with_price), None);
    with_price.limit_price = Some(amount("1").to_money());
    assert_eq!(field(&with_price), Some("terms.limit_price"));
    assert_eq!(field(&limit(Side::Buy, 10, "0")), Some("terms.limit_price"));
    let mut euros = limit(Side::Buy, 10, "100");
    euros.limit_price.as_mut().unwrap().currency_code = "EUR".to_owned();
    assert_eq!(field(&euros), Some("terms.limit_price"));
    let mut post_only = limit(Side::Buy, 10, "100");
    post_only.post_only = true;
    assert_eq!(field(&post_only), None);
    post_only.time_in_force = TimeInForce::Ioc.into();
    assert_eq!(field(&post_only), Some("terms.post_only"));
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
