package outcry.program;

import com.google.gson.JsonObject;
import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.Envelope;
import io.cloudevents.CloudEvent;
import io.cloudevents.CloudEventData;
import io.cloudevents.SpecVersion;
import io.cloudevents.core.data.BytesCloudEventData;
import io.cloudevents.core.message.impl.BaseGenericBinaryMessageReaderImpl;
import io.cloudevents.core.provider.EventFormatProvider;
import io.cloudevents.protobuf.ProtobufFormat;
import io.cloudevents.rw.CloudEventRWException;
import io.cloudevents.types.Time;
import java.io.IOException;
import java.time.OffsetDateTime;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import outcry.consumer.Broker;
import outcry.consumer.EventConsumer;

/**
 * {@code cloudevents}: reads messages with the official SDK and nothing of Outcry's.
 *
 * <p>The SDK's protobuf format reads the body, which holds the attributes that are in every event;
 * the others come from the headers, read by the SDK as a message in binary mode.
 */
final class CloudEvents {
  private static final String EXCHANGE = "outcry.events";

  private CloudEvents() {}

  static void run(Arguments arguments) throws ProgramException, InterruptedException {
    int count = arguments.count("--count", 0);
    int within = arguments.countOr("--within", Consume.WITHIN_SECONDS);
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(within);
    String queue = arguments.one("--queue");
    try (Connection connection =
            Broker.at(Environment.amqp()).newConnection("outcry-java " + queue);
        Channel channel = connection.createChannel()) {
      channel.queueDeclare(queue, true, false, false, null);
      for (String topic : arguments.all("--topic")) {
        channel.queueBind(queue, EXCHANGE, topic);
      }
      if (count == 0) {
        return;
      }
      // No more are sent than are wanted.
      channel.basicQos(Math.min(count, EventConsumer.Builder.PREFETCH_MAX));
      BlockingQueue<Delivery> received = new LinkedBlockingQueue<>();
      channel.basicConsume(queue, false, receiver(channel, received));
      for (int read = 0; read < count; read++) {
        Delivery next = received.poll(end - System.nanoTime(), TimeUnit.NANOSECONDS);
        if (next == null) {
          throw new ProgramException(
              read + " of " + count + " messages came within " + within + " seconds");
        }
        Output.print(attributes(event(next)));
        channel.basicAck(next.getEnvelope().getDeliveryTag(), false);
      }
    } catch (IOException | TimeoutException e) {
      throw new ProgramException("RabbitMQ: " + e, e);
    }
  }

  private static DefaultConsumer receiver(Channel channel, BlockingQueue<Delivery> received) {
    return new DefaultConsumer(channel) {
      @Override
      public void handleDelivery(
          String tag, Envelope envelope, BasicProperties properties, byte[] body) {
        received.add(new Delivery(envelope, properties, body));
      }
    };
  }

  /** Both readings of a message, which must agree. */
  private static CloudEvent event(Delivery message) throws ProgramException {
    String contentType = message.getProperties().getContentType();
    if (!ProtobufFormat.PROTO_CONTENT_TYPE.equals(contentType)) {
      throw new ProgramException("a message is not a CloudEvent in protobuf but " + contentType);
    }
    try {
      CloudEvent body =
          EventFormatProvider.getInstance()
              .resolveFormat(contentType)
              .deserialize(message.getBody());
      CloudEvent headers = new Headers(message).toEvent();
      if (!body.getId().equals(headers.getId())
          || !body.getSource().equals(headers.getSource())
          || !body.getType().equals(headers.getType())) {
        throw new ProgramException("body and headers of " + body.getId() + " differ");
      }
      return headers;
    } catch (CloudEventRWException e) {
      throw new ProgramException("a message is not a CloudEvent: " + e.getMessage(), e);
    }
  }

  private static JsonObject attributes(CloudEvent event) {
    Set<String> names = new TreeSet<>(event.getAttributeNames());
    names.addAll(event.getExtensionNames());
    JsonObject line = new JsonObject();
    for (String name : names) {
      boolean isExtension = event.getExtensionNames().contains(name);
      Object value = isExtension ? event.getExtension(name) : event.getAttribute(name);
      if (value instanceof OffsetDateTime time) {
        line.addProperty(name, Time.writeTime(time));
      } else if (value != null) {
        line.addProperty(name, value.toString());
      }
    }
    return line;
  }

  /** Headers as RabbitMQ's clients write them ({@code ce-type}), for the SDK. */
  private static final class Headers extends BaseGenericBinaryMessageReaderImpl<String, Object> {
    private static final String PREFIX = "ce-";

    private final Map<String, Object> headers;

    Headers(Delivery message) {
      super(SpecVersion.V1, data(message));
      Map<String, Object> found = message.getProperties().getHeaders();
      headers = found == null ? Map.of() : found;
    }

    private static CloudEventData data(Delivery message) {
      return BytesCloudEventData.wrap(message.getBody());
    }

    @Override
    protected boolean isContentTypeHeader(String name) {
      return false;
    }

    @Override
    protected boolean isCloudEventsHeader(String name) {
      return name.startsWith(PREFIX);
    }

    @Override
    protected String toCloudEventsKey(String name) {
      return name.substring(PREFIX.length());
    }

    @Override
    protected void forEachHeader(BiConsumer<String, Object> header) {
      headers.forEach(header);
    }

    @Override
    protected String toCloudEventsValue(Object value) {
      return value.toString();
    }
  }
}
