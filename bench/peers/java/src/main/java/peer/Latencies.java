package peer;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Nanoseconds of each of a known number of things, noted by any thread. */
public final class Latencies {
  private final long[] nanos;
  private final AtomicInteger noted = new AtomicInteger();

  public Latencies(int count) {
    nanos = new long[count];
  }

  public void note(long nanoseconds) {
    nanos[noted.getAndIncrement()] = nanoseconds;
  }

  /** The smallest that at least so many percent do not exceed, once all are noted. */
  public long percentileMicros(int percent) {
    int count = noted.get();
    if (count == 0) {
      return 0;
    }
    var sorted = Arrays.copyOf(nanos, count);
    Arrays.sort(sorted);
    int rank = (int) Math.ceil(count * percent / 100.0);
    return TimeUnit.NANOSECONDS.toMicros(sorted[Math.max(rank, 1) - 1]);
  }
}
