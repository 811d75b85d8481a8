package outcry

import (
	"fmt"
	"strconv"
	"strings"

	typesv1 "outcry.example/client/gen/outcry/types/v1"
)

const (
	// nanosDigits is how many decimals a nano has.
	nanosDigits = 9
	// decimalsMax is how many decimals the platform keeps.
	decimalsMax = 4
	// nanosPerUnit in one unit.
	nanosPerUnit = 1_000_000_000
)

// Dollars reads decimal text such as `100.25`: no amount passes through a float.
func Dollars(text string) (*typesv1.Money, error) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, decimals, _ := strings.Cut(digits, ".")
	units, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || len(decimals) > decimalsMax {
		return nil, fmt.Errorf("%q is not an amount with at most %d decimals", text, decimalsMax)
	}
	nanos, err := strconv.ParseUint((decimals + strings.Repeat("0", nanosDigits))[:nanosDigits], 10, 31)
	if err != nil {
		return nil, fmt.Errorf("%q is not an amount", text)
	}
	money := &typesv1.Money{CurrencyCode: "USD", Units: int64(units), Nanos: int32(nanos)}
	if negative {
		money.Units, money.Nanos = -money.Units, -money.Nanos
	}
	return money, nil
}

// Decimal writes an amount as decimal text without trailing zeros.
func Decimal(money *typesv1.Money) string {
	units, nanos, sign := money.GetUnits(), money.GetNanos(), ""
	if units < 0 || nanos < 0 {
		units, nanos, sign = -units, -nanos, "-"
	}
	text := fmt.Sprintf("%s%d.%0*d", sign, units, nanosDigits, nanos)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".")
}
