package outcry.client;

import io.grpc.MethodDescriptor;
import io.grpc.Status.Code;
import java.time.Duration;
import java.util.Optional;
import outcry.retry.Backoff;

/** Whether a call that failed is made again, and when. */
final class Retry {
  /** Of one call: with the pauses between them, longer than a server takes to start again. */
  static final int ATTEMPTS_MAX = 6;

  /** Who is told to wait longer is better told that the call failed. */
  static final Duration PAUSE_MAX = Duration.ofSeconds(30);

  private final Backoff backoff;

  Retry(Backoff backoff) {
    this.backoff = backoff;
  }

  /** Whether the contract lets a call be repeated: it changes nothing, or only once. */
  static boolean isRepeatable(MethodDescriptor<?, ?> method) {
    return method.isSafe() || method.isIdempotent();
  }

  /** The pause before the next attempt after a number of them; empty if there is to be none. */
  Optional<Duration> pause(OutcryException failure, int attempts, boolean repeatable) {
    boolean passes =
        failure.code() == Code.UNAVAILABLE || failure.code() == Code.RESOURCE_EXHAUSTED;
    if (!repeatable || !passes || attempts >= ATTEMPTS_MAX) {
      return Optional.empty();
    }
    Duration own = backoff.after(attempts);
    // Its part of chance is kept, or all who were told the same would come together.
    Duration pause = failure.retryAfter().map(own::plus).orElse(own);
    return pause.compareTo(PAUSE_MAX) > 0 ? Optional.empty() : Optional.of(pause);
  }

  /**
   * As {@link #pause} for a stream that ended, which goes on from the last message: also when its
   * token ran out or the platform broke it off.
   */
  Optional<Duration> pauseOfStream(OutcryException end, int attempts) {
    boolean goesOn =
        switch (end.reason()) {
          case "TOKEN_EXPIRED", "STREAM_BROKEN" -> true;
          default -> end.code() == Code.OK;
        };
    if (goesOn && attempts < ATTEMPTS_MAX) {
      return Optional.of(backoff.after(attempts));
    }
    return pause(end, attempts, true);
  }
}
