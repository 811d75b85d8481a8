package outcry.consumer;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.AuthenticationFailureException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeoutException;

/** One connection's reading of a queue. */
final class Reading implements AutoCloseable {
  /** The exchange that the platform publishes to. */
  static final String EXCHANGE = "outcry.events";

  /** For the server to have written a message that is put aside. */
  private static final long CONFIRM_WITHIN_MILLIS = 10_000;

  private static final int CLOSE_WITHIN_MILLIS = 5_000;

  private final Connection connection;
  private final Channel channel;
  private final String queue;

  /** What was received or happened; the server sends no more messages than the prefetch. */
  private final BlockingQueue<Object> received = new LinkedBlockingQueue<>();

  private volatile boolean returned;

  private Reading(Connection connection, Channel channel, String queue) {
    this.connection = connection;
    this.channel = channel;
    this.queue = queue;
  }

  /** A message as it came. */
  record Received(Envelope envelope, BasicProperties properties, byte[] body) {
    Map<String, Object> headers() {
      return properties.getHeaders() == null ? Map.of() : properties.getHeaders();
    }

    String topic() {
      return envelope.getRoutingKey();
    }
  }

  /** Deals with a message. */
  @FunctionalInterface
  interface Settling {
    void settle(Received message, Reading from)
        throws IOException, TimeoutException, ConsumerException, InterruptedException;
  }

  /**
   * No more messages come.
   *
   * @param why null if only the queue is gone
   */
  private record Ended(ShutdownSignalException why) {}

  private static final Object WAKE = new Object();

  /** Connects and makes the queues. Nothing is received before {@link #start}. */
  static Reading open(ConnectionFactory factory, String queue, List<String> topics)
      throws IOException, TimeoutException, ConsumerException {
    Connection connection = null;
    try {
      connection = factory.newConnection("outcry-java " + queue);
      Channel channel = connection.createChannel();
      if (channel == null) {
        throw new IOException("RabbitMQ gives no channel");
      }
      Reading reading = new Reading(connection, channel, queue);
      reading.declare(topics);
      return reading;
    } catch (AuthenticationFailureException e) {
      throw new ConsumerException("RabbitMQ refuses the name or the password", e);
    } catch (IOException | RuntimeException e) {
      if (connection != null) {
        connection.abort(CLOSE_WITHIN_MILLIS);
      }
      String refusal = refusal(e);
      if (refusal != null) {
        throw new ConsumerException(refusal, e);
      }
      throw e;
    }
  }

  /** Waits for the next message and has it settled; false if it was woken instead. */
  boolean next(Settling settling)
      throws IOException, TimeoutException, ConsumerException, InterruptedException {
    Object next = received.take();
    if (next instanceof Ended ended) {
      throw new IOException("RabbitMQ sends no more", ended.why);
    }
    if (next instanceof Received message) {
      settling.settle(message, this);
      return true;
    }
    return false;
  }

  /** Has {@link #next} come back. */
  void wake() {
    received.add(WAKE);
  }

  void acknowledge(Received message) throws IOException {
    channel.basicAck(message.envelope.getDeliveryTag(), false);
  }

  /** Comes back once the server has the message in the queue of the dead ones. */
  void putAside(Received message, Event event)
      throws IOException, TimeoutException, InterruptedException {
    returned = false;
    channel.basicPublish(
        "",
        DeadLetter.queueOf(queue),
        true,
        DeadLetter.properties(message.properties, event, queue),
        message.body);
    channel.waitForConfirmsOrDie(CONFIRM_WITHIN_MILLIS);
    // A server gives back what no queue takes before it confirms it.
    if (returned) {
      throw new IOException("there is no queue " + DeadLetter.queueOf(queue));
    }
  }

  @Override
  public void close() {
    connection.abort(CLOSE_WITHIN_MILLIS);
  }

  /** What RabbitMQ says is wrong with what was asked of it; null if something else happened. */
  private static String refusal(Exception failure) {
    if (!(failure.getCause() instanceof ShutdownSignalException signal)) {
      return null;
    }
    if (signal.getReason() instanceof AMQP.Connection.Close close) {
      // Of a server that stops, for example, another connection may be had.
      return close.getReplyCode() == AMQP.NOT_ALLOWED ? refuses(close.getReplyText()) : null;
    }
    if (!(signal.getReason() instanceof AMQP.Channel.Close close)) {
      return null;
    }
    if (close.getReplyCode() == AMQP.NOT_FOUND) {
      return "there is no exchange "
          + EXCHANGE
          + ": is this the platform's RabbitMQ, and did the platform start?";
    }
    return refuses(close.getReplyText());
  }

  private static String refuses(String text) {
    return "RabbitMQ refuses: " + text;
  }

  private void declare(List<String> topics) throws IOException {
    channel.exchangeDeclarePassive(EXCHANGE);
    channel.queueDeclare(DeadLetter.queueOf(queue), true, false, false, null);
    channel.queueDeclare(queue, true, false, false, null);
    for (String topic : topics) {
      channel.queueBind(queue, EXCHANGE, topic);
    }
  }

  /** Has messages sent, so many at a time. */
  void start(int prefetch) throws IOException {
    channel.basicQos(prefetch);
    channel.confirmSelect();
    channel.addReturnListener(unrouted -> returned = true);
    channel.basicConsume(
        queue,
        false,
        new DefaultConsumer(channel) {
          @Override
          public void handleDelivery(
              String tag, Envelope envelope, BasicProperties properties, byte[] body) {
            received.add(new Received(envelope, properties, body));
          }

          @Override
          public void handleCancel(String tag) {
            // The queue was deleted: the next connection declares it again.
            received.add(new Ended(null));
          }

          @Override
          public void handleShutdownSignal(String tag, ShutdownSignalException signal) {
            received.add(new Ended(signal));
          }
        });
  }
}
