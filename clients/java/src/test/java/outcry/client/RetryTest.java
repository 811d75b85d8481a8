package outcry.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status.Code;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import outcry.orders.v1.OrderServiceGrpc;
import outcry.retry.Backoff;
import outcry.users.v1.UserServiceGrpc;

class RetryTest {
  private final Retry retry = new Retry(new Backoff(() -> 1));

  private static OutcryException failure(Code code, String reason, Duration retryAfter) {
    return new OutcryException(code, reason, "", List.of(), retryAfter, null);
  }

  @Test
  void theContractSaysWhatMayBeRepeated() {
    assertTrue(Retry.isRepeatable(OrderServiceGrpc.getPlaceOrderMethod()));
    assertTrue(Retry.isRepeatable(OrderServiceGrpc.getGetOrderMethod()));
    assertFalse(Retry.isRepeatable(UserServiceGrpc.getLoginMethod()));
    assertFalse(Retry.isRepeatable(UserServiceGrpc.getRefreshMethod()));
  }

  @ParameterizedTest
  @EnumSource(Code.class)
  void onlyWhatPassesIsRepeated(Code code) {
    boolean passes = code == Code.UNAVAILABLE || code == Code.RESOURCE_EXHAUSTED;
    assertEquals(passes, retry.pause(failure(code, "", null), 1, true).isPresent());
    assertEquals(Optional.empty(), retry.pause(failure(code, "", null), 1, false));
  }

  @Test
  void attemptsAreBounded() {
    OutcryException failure = failure(Code.UNAVAILABLE, "", null);
    assertTrue(retry.pause(failure, Retry.ATTEMPTS_MAX - 1, true).isPresent());
    assertEquals(Optional.empty(), retry.pause(failure, Retry.ATTEMPTS_MAX, true));
  }

  @Test
  void thePauseThatThePlatformWantsIsKept() {
    Duration wanted = Duration.ofSeconds(5);
    OutcryException busy = failure(Code.RESOURCE_EXHAUSTED, "TOO_BUSY", wanted);
    assertEquals(Optional.of(wanted.plus(Backoff.FIRST)), retry.pause(busy, 1, true));
    Duration tooLong = Retry.PAUSE_MAX.plusSeconds(1);
    OutcryException busier = failure(Code.RESOURCE_EXHAUSTED, "RATE_LIMITED", tooLong);
    assertEquals(Optional.empty(), retry.pause(busier, 1, true));
  }

  @Test
  void streamsGoOnAfterTheEndOfATokenAndABreak() {
    assertTrue(retry.pauseOfStream(failure(Code.OK, "", null), 1).isPresent());
    assertTrue(
        retry.pauseOfStream(failure(Code.UNAUTHENTICATED, "TOKEN_EXPIRED", null), 1).isPresent());
    assertTrue(retry.pauseOfStream(failure(Code.INTERNAL, "STREAM_BROKEN", null), 1).isPresent());
    assertTrue(
        retry
            .pauseOfStream(failure(Code.RESOURCE_EXHAUSTED, "SUBSCRIBER_TOO_SLOW", null), 1)
            .isPresent());
    assertFalse(
        retry.pauseOfStream(failure(Code.UNAUTHENTICATED, "TOKEN_REVOKED", null), 1).isPresent());
    assertFalse(retry.pauseOfStream(failure(Code.OK, "", null), Retry.ATTEMPTS_MAX).isPresent());
  }
}
