package outcry.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.math.BigDecimal;
import java.net.URI;
import java.time.Clock;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import outcry.funds.v1.FundsServiceGrpc;
import outcry.funds.v1.FundsServiceOuterClass.GetBalancesRequest;
import outcry.orders.v1.OrderServiceGrpc;
import outcry.orders.v1.OrderServiceOuterClass.CancelOrderRequest;
import outcry.orders.v1.OrderServiceOuterClass.Order;
import outcry.orders.v1.OrderServiceOuterClass.PlaceOrderRequest;
import outcry.orders.v1.Types.OrderTerms;
import outcry.payments.v1.PaymentServiceGrpc;
import outcry.payments.v1.PaymentServiceOuterClass.CreatePaymentRequest;
import outcry.payments.v1.PaymentServiceOuterClass.Payment;
import outcry.retry.Backoff;
import outcry.types.v1.MoneyOuterClass.Money;
import outcry.users.v1.UserServiceGrpc;
import outcry.users.v1.UserServiceOuterClass.LoginRequest;
import outcry.users.v1.UserServiceOuterClass.LoginResponse;
import outcry.users.v1.UserServiceOuterClass.RefreshRequest;
import outcry.users.v1.UserServiceOuterClass.RegisterRequest;
import outcry.users.v1.UserServiceOuterClass.Tokens;
import outcry.users.v1.UserServiceOuterClass.User;

/**
 * A client of the platform's public port. For use by any number of threads.
 *
 * <p>Calls fail with {@link OutcryException}. Those that the contract lets be repeated are, a few
 * times, when the platform is not reached or is too busy: with the same request id.
 */
public final class OutcryClient implements AutoCloseable {
  /** For one attempt of a call. A placed order is answered once the venue has decided. */
  public static final Duration CALL_WITHIN = Duration.ofSeconds(10);

  /** After this silence the server is asked whether it is there, if a call or stream is open. */
  private static final Duration KEEP_ALIVE = Duration.ofSeconds(30);

  /** For a call with all its attempts: whoever called wants to know by then. */
  public static final Duration ALL_WITHIN = Duration.ofSeconds(30);

  private static final Duration CLOSE_WITHIN = Duration.ofSeconds(5);

  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final ManagedChannel channel;
  private final Session session = new Session(Clock.systemUTC());
  private final Retry retry = new Retry(new Backoff());

  private OutcryClient(ManagedChannel channel) {
    this.channel = channel;
  }

  /**
   * A client of {@code http://host:port}, or {@code https://} with TLS. Connects at the first call.
   */
  public static OutcryClient of(String address) {
    URI uri = URI.create(address);
    boolean plain = "http".equals(uri.getScheme());
    if (uri.getHost() == null || uri.getPort() < 0 || !plain && !"https".equals(uri.getScheme())) {
      throw new IllegalArgumentException(
          "the address is of the form http://host:port or https://host:port, not " + address);
    }
    ManagedChannelBuilder<?> builder =
        ManagedChannelBuilder.forAddress(uri.getHost(), uri.getPort())
            .keepAliveTime(KEEP_ALIVE.toSeconds(), TimeUnit.SECONDS)
            .userAgent("outcry-java");
    return new OutcryClient((plain ? builder.usePlaintext() : builder).build());
  }

  /** An id for a request. */
  public static String requestId() {
    return UUID.randomUUID().toString();
  }

  public User register(String email, String password, String displayName)
      throws InterruptedException {
    RegisterRequest request =
        RegisterRequest.newBuilder()
            .setRequestId(requestId())
            .setEmail(email)
            .setPassword(password)
            .setDisplayName(displayName)
            .build();
    return call(UserServiceGrpc.getRegisterMethod(), request).getUser();
  }

  /** Signs in; the tokens are traded for new ones before they end, as long as calls are made. */
  public User signIn(String email, String password) throws InterruptedException {
    session.end();
    LoginRequest request = LoginRequest.newBuilder().setEmail(email).setPassword(password).build();
    LoginResponse response = call(UserServiceGrpc.getLoginMethod(), request);
    session.begin(response.getTokens());
    return response.getUser();
  }

  /** Cash that can be spent. */
  public BigDecimal availableCash() throws InterruptedException {
    return call(FundsServiceGrpc.getGetBalancesMethod(), GetBalancesRequest.getDefaultInstance())
        .getBalancesList()
        .stream()
        .filter(balance -> balance.getAvailable().hasCash())
        .map(balance -> Amounts.decimal(balance.getAvailable().getCash()))
        .reduce(BigDecimal.ZERO, BigDecimal::add);
  }

  /** Starts a deposit: the cash is there once the provider has captured it. */
  public Payment deposit(Money amount) throws InterruptedException {
    CreatePaymentRequest request =
        CreatePaymentRequest.newBuilder().setRequestId(requestId()).setAmount(amount).build();
    return call(PaymentServiceGrpc.getCreatePaymentMethod(), request).getPayment();
  }

  /** Places an order; the answer is the order as the venue decided, if it did so in time. */
  public Order place(OrderTerms terms) throws InterruptedException {
    PlaceOrderRequest request =
        PlaceOrderRequest.newBuilder().setRequestId(requestId()).setTerms(terms).build();
    return call(OrderServiceGrpc.getPlaceOrderMethod(), request).getOrder();
  }

  public Order cancel(String orderId) throws InterruptedException {
    CancelOrderRequest request =
        CancelOrderRequest.newBuilder().setRequestId(requestId()).setOrderId(orderId).build();
    return call(OrderServiceGrpc.getCancelOrderMethod(), request).getOrder();
  }

  /** Every change of the caller's orders after a sequence; 0 is before the oldest that is kept. */
  public OrderUpdates orderUpdates(long afterSequence) {
    return new OrderUpdates(this, retry, afterSequence);
  }

  /** Any method of the contract that answers once. */
  public <Q, R> R call(MethodDescriptor<Q, R> method, Q request) throws InterruptedException {
    boolean repeatable = Retry.isRepeatable(method);
    Channel authorized = authorized();
    long end = System.nanoTime() + ALL_WITHIN.toNanos();
    for (int attempts = 1; ; attempts++) {
      try {
        Duration left = Duration.ofNanos(end - System.nanoTime());
        return ClientCalls.blockingUnaryCall(authorized, method, options(left), request);
      } catch (StatusRuntimeException e) {
        OutcryException failure = OutcryException.of(e);
        Optional<Duration> pause = retry.pause(failure, attempts, repeatable);
        if (pause.isEmpty() || end - System.nanoTime() <= pause.get().toNanos()) {
          throw failure;
        }
        Thread.sleep(pause.get().toMillis());
      }
    }
  }

  @Override
  public void close() {
    channel.shutdown();
    try {
      if (!channel.awaitTermination(CLOSE_WITHIN.toMillis(), TimeUnit.MILLISECONDS)) {
        channel.shutdownNow();
      }
    } catch (InterruptedException e) {
      channel.shutdownNow();
      Thread.currentThread().interrupt();
    }
  }

  /** The channel with the token of who is signed in. */
  Channel authorized() {
    String token = session.accessToken(this::refreshed);
    if (token == null) {
      return channel;
    }
    Metadata headers = new Metadata();
    headers.put(AUTHORIZATION, "Bearer " + token);
    return ClientInterceptors.intercept(
        channel, MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  /** Made once: the contract does not let it be repeated, whatever is called next. */
  private Tokens refreshed(Tokens old) {
    RefreshRequest request =
        RefreshRequest.newBuilder().setRefreshToken(old.getRefreshToken()).build();
    try {
      return ClientCalls.blockingUnaryCall(
              channel, UserServiceGrpc.getRefreshMethod(), options(CALL_WITHIN), request)
          .getTokens();
    } catch (StatusRuntimeException e) {
      throw OutcryException.of(e);
    }
  }

  private static CallOptions options(Duration left) {
    return CallOptions.DEFAULT.withDeadlineAfter(
        left.compareTo(CALL_WITHIN) < 0 ? left : CALL_WITHIN);
  }
}
