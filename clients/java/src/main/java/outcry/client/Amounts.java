package outcry.client;

import java.math.BigDecimal;
import outcry.types.v1.MoneyOuterClass.Money;

/** Exact amounts of money. */
public final class Amounts {
  private static final int NANO_DIGITS = 9;

  private Amounts() {}

  /**
   * @throws ArithmeticException if it has more decimals than a billionth, or is too large
   */
  public static Money usd(BigDecimal amount) {
    BigDecimal[] parts = amount.divideAndRemainder(BigDecimal.ONE);
    return Money.newBuilder()
        .setCurrencyCode("USD")
        .setUnits(parts[0].longValueExact())
        .setNanos(parts[1].movePointRight(NANO_DIGITS).intValueExact())
        .build();
  }

  public static BigDecimal decimal(Money money) {
    return BigDecimal.valueOf(money.getUnits())
        .add(BigDecimal.valueOf(money.getNanos(), NANO_DIGITS));
  }

  /** Decimal text without trailing zeros. */
  public static String text(Money money) {
    return decimal(money).stripTrailingZeros().toPlainString();
  }
}
