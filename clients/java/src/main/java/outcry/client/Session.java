package outcry.client;

import com.google.protobuf.Timestamp;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.function.UnaryOperator;
import outcry.users.v1.UserServiceOuterClass.Tokens;

/** Who is signed in: the tokens, never shown. */
final class Session {
  /** Before the end of an access token that lives long enough: more than clocks differ by. */
  static final Duration AHEAD = Duration.ofSeconds(60);

  private final Clock clock;
  private Tokens tokens;
  private Instant refreshAt;

  Session(Clock clock) {
    this.clock = clock;
  }

  synchronized void begin(Tokens fresh) {
    Timestamp end = fresh.getAccessExpiresAt();
    tokens = fresh;
    refreshAt = refreshAt(clock.instant(), Instant.ofEpochSecond(end.getSeconds(), end.getNanos()));
  }

  synchronized void end() {
    tokens = null;
  }

  /**
   * The access token, null if nobody is signed in. One that ends soon is traded first: by one
   * thread only, because a refresh token works once.
   */
  synchronized String accessToken(UnaryOperator<Tokens> refresh) {
    if (tokens == null) {
      return null;
    }
    if (!clock.instant().isBefore(refreshAt)) {
      begin(refresh.apply(tokens));
    }
    return tokens.getAccessToken();
  }

  /** A minute before the end, but not before two thirds of a short life are over. */
  static Instant refreshAt(Instant now, Instant end) {
    Instant late = end.minus(AHEAD);
    Instant early = now.plus(Duration.between(now, end).multipliedBy(2).dividedBy(3));
    return late.isAfter(early) ? late : early;
  }
}
