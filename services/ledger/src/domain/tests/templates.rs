//! Every template balances, and what cannot be booked is not.

use super::*;

#[test]
fn a_notional_that_is_not_price_times_quantity_is_not_booked() {
    let Some(Bookable::Settled(mut event)) = story().into_iter().nth(4) else {
        panic!("the fifth event is the settlement");
    };
    event.quantity = 11;
    let refused = Bookable::Settled(event).posting(id_of(1), 1);
    assert!(matches!(refused, Err(PostingError::Notional)));
}

#[test]
fn amounts_that_are_missing_negative_or_in_a_symbol_called_like_the_currency_are_not_booked() {
    let mut named_usd = shares(1);
    if let Some(AssetAmount {
        asset: Some(asset_amount::Asset::Shares(shares)),
    }) = &mut named_usd
    {
        shares.symbol = "USD".to_owned();
    }
    for amount in [None, cash(0), cash(-1), shares(-1), named_usd] {
        let event = deposited(BUYER, amount.clone(), DepositMethod::Payment);
        assert!(event.posting(id_of(1), 1).is_err(), "{amount:?}");
    }
}

#[test]
fn what_does_not_fit_its_method_is_not_booked() {
    let refused = [
        deposited(BUYER, shares(1), DepositMethod::Payment),
        deposited(BUYER, shares(1), DepositMethod::Suspense),
        deposited(BUYER, cash(1), DepositMethod::Issue),
        deposited(BUYER, cash(1), DepositMethod::Reversal),
        deposited(BUYER, cash(1), DepositMethod::Unspecified),
        withdrawn("w-1", shares(1), WithdrawalMethod::Payout, ""),
        withdrawn("w-1", shares(1), WithdrawalMethod::SuspenseRefund, ""),
        withdrawn("w-1", cash(1), WithdrawalMethod::Reversal, ""),
        captured("p-1", money(0)),
    ];
    for event in refused {
        assert!(event.posting(id_of(1), 1).is_err(), "{event:?}");
    }
}

#[test]
fn a_payment_that_failed_without_a_capture_moves_nothing() {
    let failed = Bookable::PaymentFailed(PaymentFailedEvent::default());
    assert_eq!(failed.posting(id_of(1), 1).unwrap(), None);
}

/// Any event that can be booked.
fn any_event() -> impl Strategy<Value = Bookable> {
    let amount = (1..HOLDING_MAX, any::<bool>()).prop_map(|(amount, is_cash)| {
        let asset = if is_cash {
            asset_amount::Asset::Cash(Amount::from_raw(amount).unwrap().to_money())
        } else {
            asset_amount::Asset::Shares(Shares {
                symbol: "ACME".to_owned(),
                quantity: amount,
            })
        };
        Some(AssetAmount { asset: Some(asset) })
    });
    let fees = (0..1_000_000i64, 0..1_000_000i64);
    prop_oneof![
        (amount.clone(), 1..5i32).prop_map(|(amount, method)| {
            Bookable::Deposited(FundsDepositedEvent {
                user_id: BUYER.to_owned(),
                amount,
                method,
                reference: "r-1".to_owned(),
                reverses_event_id: "e-1".to_owned(),
                ..FundsDepositedEvent::default()
            })
        }),
        (amount.clone(), 0..4i32).prop_map(|(amount, method)| {
            let method = WithdrawalMethod::try_from(method).unwrap();
            withdrawn("w-1", amount, method, "e-1")
        }),
        (amount.clone(), any::<bool>()).prop_map(|(amount, is_order)| {
            let purpose = if is_order {
                LockPurpose::Order
            } else {
                LockPurpose::Withdrawal
            };
            locked(BUYER, "l-1", purpose, amount)
        }),
        (amount, 1..3i32).prop_map(|(amount, purpose)| {
            Bookable::Released(FundsReleasedEvent {
                user_id: BUYER.to_owned(),
                lock_id: "l-1".to_owned(),
                purpose,
                amount,
                ..FundsReleasedEvent::default()
            })
        }),
        (1..1_000_000i64, 1..1_000_000i64, fees).prop_map(|(quantity, price, (buyer, seller))| {
            let money = |raw: i64| Some(Amount::from_raw(raw).unwrap().to_money());
            Bookable::Settled(FundsSettledEvent {
                match_id: "ACME-1".to_owned(),
                symbol: "ACME".to_owned(),
                quantity,
                price: money(price),
                notional: money(price * quantity),
                buyer_user_id: BUYER.to_owned(),
                buyer_order_id: "o-1".to_owned(),
                buyer_fee: money(buyer),
                seller_user_id: SELLER.to_owned(),
                seller_order_id: "o-2".to_owned(),
                seller_fee: money(seller),
                ..FundsSettledEvent::default()
            })
        }),
        (1..HOLDING_MAX, any::<bool>()).prop_map(|(amount, is_foreign)| {
            let mut money = Amount::from_raw(amount).unwrap().to_money();
            if is_foreign {
                money.currency_code = "EUR".to_owned();
            }
            captured("p-1", money)
        }),
    ]
}

/// What the accounts gain and lose by a posting, by asset and account.
fn sums(posting: &Posting) -> BTreeMap<(String, AccountName), i128> {
    let mut sums = BTreeMap::new();
    for transfer in &posting.transfers {
        for (account, amount) in [
            (&transfer.from, -i128::from(transfer.amount)),
            (&transfer.to, i128::from(transfer.amount)),
        ] {
            let key = (account.asset().to_owned(), account.clone());
            *sums.entry(key).or_default() += amount;
        }
    }
    sums
}

/// Most that one amount of cash can say.
const HOLDING_MAX: i64 = Amount::MAX.raw();

proptest! {
    /// Every template balances in every asset, names accounts of the chart only, never moves
    /// anything between two assets, and leaves nothing in clearing (I1).
    #[test]
    fn whatever_is_booked_sums_to_zero_in_each_asset(event in any_event()) {
        let Ok(posting) = event.posting(id_of(1), 1) else {
            // It does not fit its method: nothing is booked at all.
            return Ok(());
        };
        let posting = posting.unwrap();
        prop_assert!(!posting.transfers.is_empty());
        for transfer in &posting.transfers {
            prop_assert!(transfer.amount > 0);
            prop_assert_eq!(transfer.from.asset(), transfer.to.asset());
            for account in [&transfer.from, &transfer.to] {
                prop_assert_eq!(AccountName::parse(account.as_str()), Some(account.clone()));
            }
        }
        let sums = sums(&posting);
        let mut by_asset: BTreeMap<&str, i128> = BTreeMap::new();
        for ((asset, _), sum) in &sums {
            *by_asset.entry(asset).or_default() += sum;
        }
        prop_assert!(by_asset.values().all(|sum| *sum == 0), "{:?}", by_asset);
        let clearing = ("USD".to_owned(), AccountName::payout_clearing());
        prop_assert_eq!(sums.get(&clearing).copied().unwrap_or(0), 0);
    }

    /// A reversal is the mirror of what it takes back: together they move nothing, save that a
    /// payout comes back as available instead of locked.
    #[test]
    fn a_movement_and_its_reversal_move_nothing_together(
        amount in 1..HOLDING_MAX,
        what in 0..3u8,
    ) {
        let money = Some(in_cash(Amount::from_raw(amount).unwrap().to_money()));
        let payout = withdrawn("w-1", money.clone(), WithdrawalMethod::Payout, "");
        let (event, reversal) = match what {
            0 => (
                deposited(BUYER, money.clone(), DepositMethod::Payment),
                withdrawn("e-1", money, WithdrawalMethod::Reversal, "e-1"),
            ),
            1 => (
                deposited(SELLER, shares(amount), DepositMethod::Issue),
                withdrawn("e-1", shares(amount), WithdrawalMethod::Reversal, "e-1"),
            ),
            _ => (
                payout,
                Bookable::Deposited(FundsDepositedEvent {
                    user_id: BUYER.to_owned(),
                    amount: money,
                    method: DepositMethod::Reversal.into(),
                    reference: "w-1".to_owned(),
                    reverses_event_id: "e-1".to_owned(),
                    ..FundsDepositedEvent::default()
                }),
            ),
        };
        let (event, reversal) = (posting(&event, 1), posting(&reversal, 2));
        prop_assert_eq!(&reversal.key, "rev:e-1");
        let mut both = sums(&event);
        for (account, amount) in sums(&reversal) {
            *both.entry(account).or_default() += amount;
        }
        both.retain(|_, sum| *sum != 0);
        if what == 2 {
            let usd = |account: AccountName| ("USD".to_owned(), account);
            let amount = i128::from(amount);
            let expected = BTreeMap::from([
                (usd(AccountName::available(BUYER, "USD")), amount),
                (usd(AccountName::locked(BUYER, "USD")), -amount),
            ]);
            prop_assert_eq!(both, expected);
        } else {
            prop_assert_eq!(both, BTreeMap::new());
        }
    }
}
