package peer;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;

/** One round of a publisher: how many may be unconfirmed, and what became of each. */
final class Publication {
  private final int count;
  private final Semaphore room;
  private final Latencies latencies;
  private final long started = System.nanoTime();
  private final AtomicInteger confirmed = new AtomicInteger();
  private final AtomicInteger nacked = new AtomicInteger();
  private final AtomicInteger returned = new AtomicInteger();
  private final CompletableFuture<Double> seconds = new CompletableFuture<>();

  Publication(int count, int inFlight) {
    this.count = count;
    room = new Semaphore(inFlight);
    latencies = new Latencies(count);
  }

  /** Waits until one more may be published, and returns when that is. */
  long begin() throws InterruptedException {
    room.acquire();
    return System.nanoTime();
  }

  /** The broker has answered for one that was begun then. */
  void answered(long begun, boolean isConfirmed) {
    latencies.note(System.nanoTime() - begun);
    (isConfirmed ? confirmed : nacked).incrementAndGet();
    if (confirmed.get() + nacked.get() == count) {
      seconds.complete((System.nanoTime() - started) / 1e9);
    }
    room.release();
  }

  void returned() {
    returned.incrementAndGet();
  }

  void failed(Throwable error) {
    seconds.completeExceptionally(error);
    // Whoever waits for room finds out from the next publish.
    room.release();
  }

  /** Waits until the broker has answered for all, or there is no more hope of that. */
  Map<String, Object> result() throws Exception {
    double taken = seconds.get();
    var result = new LinkedHashMap<String, Object>();
    result.put("count", count);
    result.put("confirmed", confirmed.get());
    result.put("nacked", nacked.get());
    result.put("returned", returned.get());
    result.put("seconds", taken);
    result.put("p50_us", latencies.percentileMicros(50));
    result.put("p99_us", latencies.percentileMicros(99));
    return result;
  }
}
