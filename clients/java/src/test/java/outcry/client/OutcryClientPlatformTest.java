package outcry.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status.Code;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import outcry.orders.v1.OrderServiceOuterClass.Order;
import outcry.orders.v1.OrderServiceOuterClass.StreamOrderUpdatesResponse;
import outcry.orders.v1.Types.OrderTerms;
import outcry.orders.v1.Types.OrderType;
import outcry.orders.v1.Types.Side;
import outcry.orders.v1.Types.TimeInForce;

/** Against a running platform, as a newcomer without money. */
@EnabledIfEnvironmentVariable(named = "OUTCRY_ADDRESS", matches = ".+")
@Timeout(120)
class OutcryClientPlatformTest {
  private static final Duration WITHIN = Duration.ofSeconds(60);
  private static final String PASSWORD = "correct horse battery";

  private final String email = "java-" + UUID.randomUUID() + "@clients.example";
  private final OutcryClient client = OutcryClient.of(System.getenv("OUTCRY_ADDRESS"));

  @BeforeEach
  void signIn() throws Exception {
    client.register(email, PASSWORD, "A test");
    client.signIn(email, PASSWORD);
  }

  @AfterEach
  void close() {
    client.close();
  }

  private static OrderTerms buy(long quantity) {
    return OrderTerms.newBuilder()
        .setSymbol("MSFT")
        .setSide(Side.SIDE_BUY)
        .setType(OrderType.ORDER_TYPE_LIMIT)
        .setLimitPrice(Amounts.usd(BigDecimal.ONE))
        .setTimeInForce(TimeInForce.TIME_IN_FORCE_DAY)
        .setQuantity(quantity)
        .build();
  }

  @Test
  void anInvalidOrderIsRefusedWithTheField() {
    OutcryException refused = assertThrows(OutcryException.class, () -> client.place(buy(0)));
    assertEquals(Code.INVALID_ARGUMENT, refused.code());
    assertEquals("terms.quantity", refused.violations().get(0).field());
  }

  @Test
  void aWrongPasswordIsNotSignedIn() {
    OutcryException refused =
        assertThrows(OutcryException.class, () -> client.signIn(email, PASSWORD + "!"));
    assertEquals(Code.UNAUTHENTICATED, refused.code());
  }

  @Test
  void updatesGoOnAfterTheLastOneThatWasSeen() throws Exception {
    Order order = client.place(buy(1));
    long first;
    try (OrderUpdates updates = client.orderUpdates(0)) {
      StreamOrderUpdatesResponse created = updates.next(WITHIN).orElseThrow();
      assertEquals("order.created", created.getTopic());
      assertEquals(order.getOrderId(), created.getOrder().getOrderId());
      first = updates.lastSequence();
    }
    try (OrderUpdates updates = client.orderUpdates(first)) {
      StreamOrderUpdatesResponse later = updates.next(WITHIN).orElseThrow();
      assertEquals(first + 1, later.getSequence());
    }
  }

  @Test
  void aDepositArrives() throws Exception {
    client.deposit(Amounts.usd(BigDecimal.TEN));
    long end = System.nanoTime() + WITHIN.toNanos();
    while (client.availableCash().compareTo(BigDecimal.TEN) < 0) {
      assertTrue(System.nanoTime() < end, "the deposit does not arrive");
      Thread.sleep(100);
    }
  }
}
