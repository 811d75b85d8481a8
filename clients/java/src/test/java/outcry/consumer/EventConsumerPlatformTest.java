package outcry.consumer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.GetResponse;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import outcry.Relay;

/** Against the platform's RabbitMQ. Messages go to the test's own queue and no further. */
@EnabledIfEnvironmentVariable(named = "OUTCRY_AMQP", matches = ".+")
@Timeout(120)
class EventConsumerPlatformTest {
  private static final int WITHIN_SECONDS = 60;

  private final String queue = "java.test." + UUID.randomUUID();
  private final BlockingQueue<Event> settled = new LinkedBlockingQueue<>();
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private Connection connection;
  private Channel channel;

  @BeforeEach
  void connect() throws Exception {
    ConnectionFactory factory = new ConnectionFactory();
    factory.setUri(System.getenv("OUTCRY_AMQP"));
    connection = factory.newConnection();
    channel = connection.createChannel();
    channel.queueDeclare(queue, true, false, false, null);
  }

  @AfterEach
  void cleanUp() throws Exception {
    threads.shutdownNow();
    channel.queueDelete(queue);
    channel.queueDelete(DeadLetter.queueOf(queue));
    connection.close();
  }

  private EventConsumer.Builder consumer(String address) {
    return EventConsumer.of(address, queue, List.of("java.test"))
        .handler(event -> {})
        .onSettled(settled::add);
  }

  private static String address() {
    return System.getenv("OUTCRY_AMQP");
  }

  private Future<?> start(EventConsumer consumer) {
    Callable<Void> run =
        () -> {
          consumer.run();
          return null;
        };
    return threads.submit(run);
  }

  private void send(byte[] body) throws Exception {
    BasicProperties properties =
        new BasicProperties.Builder().headers(Map.of("made-by", "a test")).build();
    channel.basicPublish("", queue, properties, body);
  }

  private Event next() throws InterruptedException {
    Event event = settled.poll(WITHIN_SECONDS, TimeUnit.SECONDS);
    assertNotNull(event, "nothing was settled in time");
    return event;
  }

  @Test
  void eachMessageIsSettledOnce() throws Exception {
    byte[] sound = Samples.envelope().build().toByteArray();
    byte[] broken =
        Samples.envelope(Samples.filled().setLastQuantity(0).build()).build().toByteArray();
    try (EventConsumer consumer = consumer(address()).build()) {
      Future<?> running = start(consumer);
      send(sound);
      send(sound);
      send(broken);
      assertEquals(Action.HANDLED, next().action());
      assertEquals(Action.DUPLICATE, next().action());
      assertEquals(Action.DEAD, next().action());
      consumer.close();
      running.get(WITHIN_SECONDS, TimeUnit.SECONDS);
    }
    GetResponse dead = channel.basicGet(DeadLetter.queueOf(queue), true);
    assertArrayEquals(broken, dead.getBody());
    Map<String, Object> headers = dead.getProps().getHeaders();
    assertEquals("a test", headers.get("made-by").toString());
    assertEquals("INVALID", headers.get(DeadLetter.REASON).toString());
    assertEquals("payload.last_quantity int64.gte_lte", headers.get(DeadLetter.RULES).toString());
    assertEquals(queue, headers.get(DeadLetter.QUEUE).toString());
    assertNull(channel.basicGet(queue, true), "a message was not acknowledged");
  }

  @Test
  void anEventThatIsNotHandledEndsTheRunAndStaysInTheQueue() throws Exception {
    IOException lost = new IOException("as the test wants");
    EventHandler failing =
        event -> {
          throw lost;
        };
    send(Samples.envelope().build().toByteArray());
    // Twice, for it comes with the mark of a repeated one the second time.
    for (int run = 0; run < 2; run++) {
      try (EventConsumer consumer = consumer(address()).handler(failing).build()) {
        ConsumerException ended = assertThrows(ConsumerException.class, consumer::run);
        assertSame(lost, ended.getCause());
      }
    }
    try (EventConsumer consumer = consumer(address()).build()) {
      start(consumer);
      assertEquals(Action.HANDLED, next().action());
    }
  }

  @Test
  void theConsumerComesBackAfterALostConnection() throws Exception {
    ConnectionFactory server = new ConnectionFactory();
    server.setUri(address());
    try (Relay relay = new Relay(server.getHost(), server.getPort())) {
      String through = address().replaceFirst("@[^/]*", "@127.0.0.1:" + relay.port());
      try (EventConsumer consumer = consumer(through).build()) {
        start(consumer);
        send(Samples.envelope().build().toByteArray());
        assertEquals(Action.HANDLED, next().action());
        relay.cut();
        send(Samples.envelope().build().toByteArray());
        // The acknowledgement of the first may have been cut off: then the server sends it again.
        Action after = next().action();
        assertEquals(Action.HANDLED, after == Action.DUPLICATE ? next().action() : after);
      }
    }
  }

  @Test
  void aQueueOfAnotherKindIsAClearError() throws Exception {
    channel.queueDeclare(DeadLetter.queueOf(queue), false, false, true, null);
    try (EventConsumer consumer = consumer(address()).build()) {
      ConsumerException refused = assertThrows(ConsumerException.class, consumer::run);
      assertTrue(refused.getMessage().contains("PRECONDITION_FAILED"), refused.getMessage());
    }
  }
}
