package outcry.program;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.grpc.Status.Code;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import outcry.client.Amounts;
import outcry.client.OrderUpdates;
import outcry.client.OutcryClient;
import outcry.client.OutcryException;
import outcry.orders.v1.OrderServiceOuterClass.Order;
import outcry.orders.v1.OrderServiceOuterClass.StreamOrderUpdatesResponse;
import outcry.orders.v1.Types.OrderStatus;
import outcry.orders.v1.Types.OrderTerms;
import outcry.orders.v1.Types.OrderType;
import outcry.orders.v1.Types.RejectReason;
import outcry.orders.v1.Types.Side;
import outcry.orders.v1.Types.TimeInForce;
import outcry.trades.v1.TradeServiceGrpc;
import outcry.trades.v1.TradeServiceOuterClass.Instrument;
import outcry.trades.v1.TradeServiceOuterClass.ListInstrumentsRequest;

/** {@code trade}: what a customer's program does, from signing in to being refused. */
final class Trade {
  /** Deposited when less is available. */
  private static final BigDecimal DEPOSIT = BigDecimal.valueOf(1_000);

  /** For the provider's capture, and for the order to be filled. */
  private static final Duration WITHIN = Duration.ofSeconds(60);

  /** Between two looks at the balance. */
  private static final long LOOK_MILLIS = 200;

  /** How far from the price a buy rests for sure, as a part of it, where there is no band. */
  private static final BigDecimal FAR = new BigDecimal("0.5");

  /** Part of a band that is gone, so that a price that moves meanwhile does not matter. */
  private static final BigDecimal OF_BAND = new BigDecimal("0.9");

  private static final int BASIS_POINT_DIGITS = 4;

  private static final Set<OrderStatus> FINAL =
      EnumSet.of(
          OrderStatus.ORDER_STATUS_FILLED,
          OrderStatus.ORDER_STATUS_CANCELLED,
          OrderStatus.ORDER_STATUS_REJECTED,
          OrderStatus.ORDER_STATUS_EXPIRED);

  /** Why the balance of a new user cannot be told yet. */
  private static final String NOT_READY = "ACCOUNT_NOT_READY";

  /** Why an order is turned down while the account is still being opened. */
  private static final Set<RejectReason> TOO_EARLY =
      EnumSet.of(
          RejectReason.REJECT_REASON_ACCOUNT_NOT_READY,
          RejectReason.REJECT_REASON_PORTFOLIO_NOT_OPEN);

  private final OutcryClient client;
  private final String symbol;

  private Trade(OutcryClient client, String symbol) {
    this.client = client;
    this.symbol = symbol;
  }

  static void run(Arguments arguments) throws ProgramException, InterruptedException {
    String symbol = arguments.one("--symbol");
    int quantity = arguments.countOr("--quantity", 1);
    BigDecimal limit = arguments.decimal("--limit");
    String email = Environment.email();
    String password = Environment.password();
    try (OutcryClient client = OutcryClient.of(Environment.address())) {
      Output.print(new Trade(client, symbol).told(email, password, quantity, limit));
    } catch (OutcryException e) {
      throw new ProgramException(e.getMessage(), e);
    }
  }

  private JsonObject told(String email, String password, int quantity, BigDecimal limit)
      throws ProgramException, InterruptedException {
    signIn(email, password);
    fund();
    try (OrderUpdates updates = client.orderUpdates(0)) {
      Order placed = placed(buy(quantity, limit));
      JsonArray topics = new JsonArray();
      Order order = followed(updates, placed.getOrderId(), topics);
      if (order.getStatus() != OrderStatus.ORDER_STATUS_FILLED) {
        throw new ProgramException("the order ended " + name(order) + ": " + order.getMessage());
      }
      JsonObject line = new JsonObject();
      line.addProperty("order_id", order.getOrderId());
      line.addProperty("status", name(order));
      line.addProperty("quantity", Long.toString(order.getCumulativeQuantity()));
      line.addProperty("average_price", Amounts.text(order.getAveragePrice()));
      line.add("updates", topics);
      line.addProperty("cancelled", cancelledFarFrom(Amounts.decimal(order.getAveragePrice())));
      line.add("refusal", refusal());
      return line;
    }
  }

  private void signIn(String email, String password) throws InterruptedException {
    try {
      client.signIn(email, password);
    } catch (OutcryException e) {
      if (e.code() != Code.UNAUTHENTICATED) {
        throw e;
      }
      // The platform does not tell which of the two is wrong; registering does.
      client.register(email, password, email.split("@", 2)[0]);
      client.signIn(email, password);
    }
  }

  private void fund() throws ProgramException, InterruptedException {
    long end = System.nanoTime() + WITHIN.toNanos();
    if (openedCash(end).compareTo(DEPOSIT) >= 0) {
      return;
    }
    client.deposit(Amounts.usd(DEPOSIT));
    while (client.availableCash().compareTo(DEPOSIT) < 0) {
      if (System.nanoTime() > end) {
        throw new ProgramException("the deposit does not arrive");
      }
      Thread.sleep(LOOK_MILLIS);
    }
  }

  /** The cash that is available, once the account of a new user is open. */
  private BigDecimal openedCash(long end) throws InterruptedException {
    while (true) {
      try {
        return client.availableCash();
      } catch (OutcryException e) {
        if (!e.reason().equals(NOT_READY) || System.nanoTime() > end) {
          throw e;
        }
      }
      Thread.sleep(LOOK_MILLIS);
    }
  }

  /** Places an order, anew as long as the account of a new user is being opened. */
  private Order placed(OrderTerms terms) throws InterruptedException {
    long end = System.nanoTime() + WITHIN.toNanos();
    while (true) {
      Order order = client.place(terms);
      if (!TOO_EARLY.contains(order.getRejectReason()) || System.nanoTime() > end) {
        return order;
      }
      Thread.sleep(LOOK_MILLIS);
    }
  }

  /** How the order ended, with the topics of its updates. */
  private static Order followed(OrderUpdates updates, String orderId, JsonArray topics)
      throws ProgramException, InterruptedException {
    long end = System.nanoTime() + WITHIN.toNanos();
    while (true) {
      Duration left = Duration.ofNanos(end - System.nanoTime());
      Optional<StreamOrderUpdatesResponse> next = updates.next(left);
      if (next.isEmpty()) {
        throw new ProgramException("order " + orderId + " is not filled in time");
      }
      StreamOrderUpdatesResponse update = next.get();
      if (!update.getOrder().getOrderId().equals(orderId)) {
        continue;
      }
      topics.add(update.getTopic());
      // The venue's word may show an order filled before the order's own event does.
      if (FINAL.contains(update.getOrder().getStatus()) && update.getTopic().startsWith("order.")) {
        return update.getOrder();
      }
    }
  }

  /** Places an order that nobody meets and cancels it; its id. */
  private String cancelledFarFrom(BigDecimal price) throws ProgramException, InterruptedException {
    Order placed = client.place(buy(1, farBelow(price, instrument())));
    Order order = client.cancel(placed.getOrderId());
    if (order.getStatus() != OrderStatus.ORDER_STATUS_CANCELLED) {
      throw new ProgramException("the order far from the market is " + name(order));
    }
    return order.getOrderId();
  }

  private Instrument instrument() throws ProgramException, InterruptedException {
    return client
        .call(
            TradeServiceGrpc.getListInstrumentsMethod(),
            ListInstrumentsRequest.getDefaultInstance())
        .getInstrumentsList()
        .stream()
        .filter(each -> each.getSymbol().equals(symbol))
        .findFirst()
        .orElseThrow(() -> new ProgramException("nothing trades as " + symbol));
  }

  /** As far below the price as the instrument's band lets a limit be, on a tick. */
  static BigDecimal farBelow(BigDecimal price, Instrument instrument) {
    BigDecimal band = BigDecimal.valueOf(instrument.getBandBps(), BASIS_POINT_DIGITS);
    BigDecimal below = band.signum() == 0 ? FAR : FAR.min(band.multiply(OF_BAND));
    BigDecimal tick = Amounts.decimal(instrument.getTick());
    return price
        .multiply(BigDecimal.ONE.subtract(below))
        .divide(tick, 0, RoundingMode.CEILING)
        .multiply(tick);
  }

  private JsonObject refusal() throws ProgramException, InterruptedException {
    Order order;
    try {
      order = client.place(buy(0, null));
    } catch (OutcryException e) {
      JsonObject refusal = new JsonObject();
      refusal.addProperty("code", e.code().name());
      refusal.addProperty("reason", e.reason());
      refusal.add("violations", Output.violations(e.violations()));
      return refusal;
    }
    throw new ProgramException("an order of nothing was taken: " + name(order));
  }

  private OrderTerms buy(long quantity, BigDecimal limit) throws ProgramException {
    OrderTerms.Builder terms =
        OrderTerms.newBuilder()
            .setSymbol(symbol)
            .setSide(Side.SIDE_BUY)
            .setQuantity(quantity)
            .setTimeInForce(TimeInForce.TIME_IN_FORCE_DAY);
    if (limit == null) {
      return terms.setType(OrderType.ORDER_TYPE_MARKET).build();
    }
    try {
      return terms.setType(OrderType.ORDER_TYPE_LIMIT).setLimitPrice(Amounts.usd(limit)).build();
    } catch (ArithmeticException e) {
      throw new ProgramException("--limit has too many digits", e);
    }
  }

  private static String name(Order order) {
    return order.getStatus().name().replace("ORDER_STATUS_", "");
  }
}
