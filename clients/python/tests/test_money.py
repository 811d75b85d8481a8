from decimal import Decimal

import pytest

from outcry_client.money import decimal, money, text


@pytest.mark.parametrize(
    ("amount", "units", "nanos", "shown"),
    [
        ("100.2500", 100, 250_000_000, "100.25"),
        ("100", 100, 0, "100"),
        ("1000", 1000, 0, "1000"),
        ("0", 0, 0, "0"),
        ("0.0001", 0, 100_000, "0.0001"),
        ("-1.5", -1, -500_000_000, "-1.5"),
        ("-0.5", 0, -500_000_000, "-0.5"),
    ],
)
def test_money_is_exact(amount, units, nanos, shown):
    made = money(amount)
    assert (made.currency_code, made.units, made.nanos) == ("USD", units, nanos)
    assert decimal(made) == Decimal(amount)
    assert text(made) == shown


def test_what_money_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="more decimals"):
        money("0.0000000001")
