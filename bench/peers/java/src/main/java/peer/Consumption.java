package peer;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;

/** Counts what one round of a consumer acknowledged, from any thread. */
final class Consumption {
  private final int count;
  private final long started = System.nanoTime();
  private final AtomicInteger acknowledged = new AtomicInteger();
  private final AtomicInteger fresh = new AtomicInteger();
  private final CompletableFuture<Double> seconds = new CompletableFuture<>();

  Consumption(int count) {
    this.count = count;
  }

  void acknowledged(boolean isFresh) {
    if (isFresh) {
      fresh.incrementAndGet();
    }
    if (acknowledged.incrementAndGet() == count) {
      seconds.complete((System.nanoTime() - started) / 1e9);
    }
  }

  void failed(Throwable error) {
    seconds.completeExceptionally(error);
  }

  /** Waits until all are acknowledged or one has failed. */
  Map<String, Object> result() throws Exception {
    double taken = seconds.get();
    int seen = fresh.get();
    var result = new LinkedHashMap<String, Object>();
    result.put("count", count);
    result.put("new", seen);
    result.put("duplicates", count - seen);
    result.put("seconds", taken);
    return result;
  }
}
