package outcry.consumer;

import com.rabbitmq.client.AlreadyClosedException;
import com.rabbitmq.client.ConnectionFactory;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import outcry.contract.Contract;
import outcry.retry.Backoff;

/**
 * Takes events off a queue of its own, one at a time, and checks each against the contract.
 *
 * <pre>{@code
 * try (var consumer =
 *     EventConsumer.of("amqp://guest:guest@127.0.0.1:5672/%2f", "billing", List.of("order.filled"))
 *         .handler(event -> bill(event.payload(OrderFilledEvent.class)))
 *         .build()) {
 *   consumer.run();
 * }
 * }</pre>
 */
public final class EventConsumer implements AutoCloseable {
  /** Connections tried in a row before giving up: about three minutes, longer than a restart. */
  static final int ATTEMPTS_MAX = 20;

  /** A connection that lasted so long was a good one, even if there was nothing to read. */
  static final Duration STEADY = Duration.ofMinutes(1);

  private static final Logger LOG = LoggerFactory.getLogger(EventConsumer.class);

  private final ConnectionFactory factory;
  private final String queue;
  private final List<String> topics;
  private final int prefetch;
  private final Judge judge;
  private final EventMemory memory;
  private final EventHandler handler;
  private final Consumer<Event> settled;
  private final CountDownLatch stopped = new CountDownLatch(1);
  private volatile Reading reading;

  private EventConsumer(Builder builder) {
    factory = builder.factory;
    queue = builder.queue;
    topics = builder.topics;
    prefetch = builder.prefetch;
    memory = builder.memory;
    judge = new Judge(Contract.own(), memory, builder.unknownTypes);
    handler = builder.handler;
    settled = builder.settled;
  }

  /** A consumer of this queue, which is bound to these topic patterns ({@code order.*}). */
  public static Builder of(String address, String queue, List<String> topics) {
    return new Builder(address, queue, topics);
  }

  /** Makes the queues and binds them: no event that comes from now on is missed. */
  public void declare() throws ConsumerException {
    try {
      Reading.open(factory, queue, topics).close();
    } catch (IOException | TimeoutException e) {
      throw new ConsumerException("no connection to RabbitMQ: " + cause(e), e);
    }
  }

  /**
   * Works until {@link #close}, over lost connections.
   *
   * @throws ConsumerException if RabbitMQ cannot be used, or the handler failed: its exception is
   *     the cause then, and the event stays in the queue
   */
  public void run() throws ConsumerException, InterruptedException {
    Backoff backoff = new Backoff();
    int failed = 0;
    while (!isStopped()) {
      long began = System.nanoTime();
      boolean worked = false;
      try (Reading now = Reading.open(factory, queue, topics)) {
        reading = now;
        now.start(prefetch);
        // Whoever closed the consumer before this line was seen could not stop the reading.
        while (!isStopped()) {
          worked |= now.next(this::settle);
        }
      } catch (IOException | TimeoutException | AlreadyClosedException e) {
        boolean good = worked || System.nanoTime() - began > STEADY.toNanos();
        failed = good ? 1 : failed + 1;
        if (failed >= ATTEMPTS_MAX) {
          throw new ConsumerException("no connection to RabbitMQ after many attempts", e);
        }
        Duration pause = backoff.after(failed);
        LOG.warn(
            "no connection to RabbitMQ, the next try in {} ms: {}", pause.toMillis(), cause(e));
        if (stopped.await(pause.toMillis(), TimeUnit.MILLISECONDS)) {
          return;
        }
      }
    }
  }

  /** Ends {@link #run} after the message it is at. What was not settled goes back to the queue. */
  @Override
  public void close() {
    stopped.countDown();
    Reading now = reading;
    if (now != null) {
      now.wake();
    }
  }

  /** What began it, in a line. */
  private static String cause(Throwable failure) {
    Throwable first = failure;
    while (first.getCause() != null) {
      first = first.getCause();
    }
    return first.toString();
  }

  private boolean isStopped() {
    return stopped.getCount() == 0;
  }

  private void settle(Reading.Received message, Reading from)
      throws IOException, TimeoutException, ConsumerException, InterruptedException {
    Event event = judge.judge(message.body(), message.topic(), message.headers());
    if (event.action() == Action.HANDLED) {
      try {
        handler.handle(event);
      } catch (InterruptedException e) {
        throw e;
      } catch (Exception e) {
        // Not the event's fault as a rule: with its database gone, a handler fails at every event.
        throw new ConsumerException(
            "event " + event.id() + " of type " + event.type() + " was not handled: " + e, e);
      }
    }
    switch (event.action()) {
      // Before the acknowledgement: if that gets lost, the event comes again and is known.
      case HANDLED -> memory.add(event.id());
      case DEAD -> from.putAside(message, event);
      case DUPLICATE, IGNORED -> {}
    }
    from.acknowledge(message);
    settled.accept(event);
  }

  /** How a consumer works. */
  public static final class Builder {
    /** Unless told otherwise: enough to keep one thread busy over a network. */
    public static final int PREFETCH = 32;

    /** The most that may wait here: each message has at most about a megabyte. */
    public static final int PREFETCH_MAX = 1_000;

    private final ConnectionFactory factory;
    private final String queue;
    private final List<String> topics;
    private int prefetch = PREFETCH;
    private UnknownTypes unknownTypes = UnknownTypes.IGNORE;
    private EventMemory memory = new RecentEvents();
    private EventHandler handler;
    private Consumer<Event> settled = event -> {};

    private Builder(String address, String queue, List<String> topics) {
      factory = Broker.at(address);
      this.queue = Objects.requireNonNull(queue);
      this.topics = List.copyOf(topics);
    }

    /** How many messages wait here at most. */
    public Builder prefetch(int messages) {
      if (messages < 1 || messages > PREFETCH_MAX) {
        throw new IllegalArgumentException("prefetch is from 1 to " + PREFETCH_MAX);
      }
      prefetch = messages;
      return this;
    }

    /** What becomes of events of types that the package does not know. */
    public Builder unknownTypes(UnknownTypes policy) {
      unknownTypes = policy;
      return this;
    }

    /** Which events were handled. */
    public Builder memory(EventMemory own) {
      memory = own;
      return this;
    }

    /** What is done with an event. */
    public Builder handler(EventHandler what) {
      handler = what;
      return this;
    }

    /** Told of each message once it is settled, whatever was done with it. */
    public Builder onSettled(Consumer<Event> listener) {
      settled = listener;
      return this;
    }

    public EventConsumer build() {
      Objects.requireNonNull(handler, "a consumer needs a handler");
      return new EventConsumer(this);
    }
  }
}
