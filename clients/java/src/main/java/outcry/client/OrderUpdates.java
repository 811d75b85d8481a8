package outcry.client;

import io.grpc.CallOptions;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.BlockingClientCall;
import io.grpc.stub.ClientCalls;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import outcry.orders.v1.OrderServiceGrpc;
import outcry.orders.v1.OrderServiceOuterClass.StreamOrderUpdatesRequest;
import outcry.orders.v1.OrderServiceOuterClass.StreamOrderUpdatesResponse;

/**
 * The changes of one's orders. A stream that is lost is opened again from the last one seen. For
 * one thread, which takes them: what is not taken waits at the server.
 */
public final class OrderUpdates implements AutoCloseable {
  /** A stream that lasted so long was a good one, even if nothing changed meanwhile. */
  private static final Duration STEADY = Duration.ofMinutes(1);

  private final OutcryClient client;
  private final Retry retry;
  private long last;
  private int failed;
  private long opened;
  private BlockingClientCall<StreamOrderUpdatesRequest, StreamOrderUpdatesResponse> stream;

  OrderUpdates(OutcryClient client, Retry retry, long afterSequence) {
    this.client = client;
    this.retry = retry;
    last = afterSequence;
  }

  /** The next change; empty if none came within this time. */
  public Optional<StreamOrderUpdatesResponse> next(Duration within) throws InterruptedException {
    long end = System.nanoTime() + within.toNanos();
    while (true) {
      long left = end - System.nanoTime();
      if (left <= 0) {
        return Optional.empty();
      }
      try {
        open();
        StreamOrderUpdatesResponse update = stream.read(left, TimeUnit.NANOSECONDS);
        if (update != null && update.getSequence() <= last) {
          continue;
        }
        if (update != null) {
          failed = 0;
          last = update.getSequence();
          return Optional.of(update);
        }
        pause(Status.OK.withDescription("the stream ended").asException(), end);
      } catch (TimeoutException e) {
        return Optional.empty();
      } catch (StatusException | StatusRuntimeException | OutcryException e) {
        // The last when the token could not be traded: what passes is waited for, too.
        pause(e, end);
      }
    }
  }

  /** Of the last change taken: where to go on from, also in another run of the program. */
  public long lastSequence() {
    return last;
  }

  @Override
  public void close() {
    if (stream != null) {
      stream.cancel("no more updates are wanted", null);
      stream = null;
    }
  }

  private void open() {
    if (stream == null) {
      StreamOrderUpdatesRequest request =
          StreamOrderUpdatesRequest.newBuilder().setAfterSequence(last).build();
      opened = System.nanoTime();
      // Without a deadline: it lasts until its token ends.
      stream =
          ClientCalls.blockingV2ServerStreamingCall(
              client.authorized(),
              OrderServiceGrpc.getStreamOrderUpdatesMethod(),
              CallOptions.DEFAULT,
              request);
    }
  }

  private void pause(Exception ended, long end) throws InterruptedException {
    if (stream != null && System.nanoTime() - opened > STEADY.toNanos()) {
      failed = 0;
    }
    stream = null;
    failed++;
    OutcryException failure = OutcryException.of(ended);
    Duration pause = retry.pauseOfStream(failure, failed).orElseThrow(() -> failure);
    long left = end - System.nanoTime();
    TimeUnit.NANOSECONDS.sleep(Math.min(pause.toNanos(), left));
  }
}
