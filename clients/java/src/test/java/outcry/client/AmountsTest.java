package outcry.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.math.BigDecimal;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import outcry.types.v1.MoneyOuterClass.Money;

class AmountsTest {
  @ParameterizedTest
  @CsvSource({
    "100.2500, 100, 250000000, 100.25",
    "-1.5, -1, -500000000, -1.5",
    "1000, 1000, 0, 1000",
    "0.0001, 0, 100000, 0.0001",
    "0, 0, 0, 0"
  })
  void moneyIsExactDecimalText(String given, long units, int nanos, String text) {
    Money money = Amounts.usd(new BigDecimal(given));
    assertEquals(units, money.getUnits());
    assertEquals(nanos, money.getNanos());
    assertEquals(text, Amounts.text(money));
  }

  @ParameterizedTest
  @CsvSource({"0.0000000001", "9223372036854775808"})
  void whatMoneyCannotHoldIsRefused(BigDecimal amount) {
    assertThrows(ArithmeticException.class, () -> Amounts.usd(amount));
  }
}
