package outcry.retry;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.DoubleSupplier;

/** Pauses that double up to a bound, each shortened by chance so that many do not come at once. */
public final class Backoff {
  /** Of the first attempt that failed: long enough for a lost packet, too short to be noticed. */
  public static final Duration FIRST = Duration.ofMillis(100);

  /** Longest pause: what a restart of a server takes. */
  public static final Duration LONGEST = Duration.ofSeconds(10);

  /** Doublings after which {@link #LONGEST} is reached anyway. */
  private static final int DOUBLINGS_MAX = 16;

  private final DoubleSupplier chance;

  public Backoff() {
    this(() -> ThreadLocalRandom.current().nextDouble());
  }

  /** With a source of numbers from 0 to 1. */
  public Backoff(DoubleSupplier chance) {
    this.chance = chance;
  }

  /** The pause after a number of failed attempts, from 1: between half of it and all of it. */
  public Duration after(int failed) {
    long doubled = FIRST.toMillis() << Math.min(Math.max(failed, 1) - 1, DOUBLINGS_MAX);
    long whole = Math.min(doubled, LONGEST.toMillis());
    return Duration.ofMillis(Math.round(whole * (1 + chance.getAsDouble()) / 2));
  }
}
