"""Money of the contract as decimal numbers, exact."""

from decimal import Decimal

from outcry.types.v1.money_pb2 import Money

CURRENCY = "USD"
"""What the platform trades in."""

_NANOS = 1_000_000_000


def money(amount: Decimal | str | int, currency: str = CURRENCY) -> Money:
    """The amount; it has at most nine decimals, of which the platform keeps four."""
    nanos = Decimal(amount) * _NANOS
    if nanos != nanos.to_integral_value():
        raise ValueError(f"{amount} has more decimals than money has")
    sign = -1 if nanos < 0 else 1
    units, rest = divmod(abs(int(nanos)), _NANOS)
    return Money(currency_code=currency, units=sign * units, nanos=sign * rest)


def decimal(amount: Money) -> Decimal:
    """The amount as a number."""
    return Decimal(amount.units) + Decimal(amount.nanos) / _NANOS


def text(amount: Money) -> str:
    """`100.25`: without an exponent and without zeros at its end."""
    shown = f"{decimal(amount):f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown
