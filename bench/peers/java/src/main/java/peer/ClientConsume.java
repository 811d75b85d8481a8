package peer;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.impl.ClientVersion;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Map;
import java.util.concurrent.Executors;

/**
 * RabbitMQ's own client: it hands the messages of one channel to its consumer one by one, so there
 * is a channel for each connection to PostgreSQL, and the prefetch is shared out among them.
 */
final class ClientConsume {
  private ClientConsume() {}

  static void run(Arguments arguments) throws Exception {
    var factory = new ConnectionFactory();
    factory.setUri(arguments.text("amqp"));
    int channels = Math.min(Inbox.CONNECTIONS, arguments.number("prefetch"));
    var threads = Executors.newFixedThreadPool(channels);
    try (var inbox = new Inbox(arguments.text("postgres"));
        var connection = factory.newConnection(threads, "peer")) {
      Driver.serve(
          "amqp-client " + ClientVersion.VERSION,
          () -> consume(connection, inbox, channels, arguments));
    }
  }

  private static Map<String, Object> consume(
      Connection connection, Inbox inbox, int channels, Arguments arguments) throws Exception {
    var consumption = new Consumption(arguments.number("count"));
    var open = new ArrayList<Channel>();
    for (int i = 0; i < channels; i++) {
      var channel = connection.createChannel();
      channel.basicQos(arguments.number("prefetch") / channels);
      channel.basicConsume(arguments.text("queue"), false, consumer(channel, inbox, consumption));
      open.add(channel);
    }
    var result = consumption.result();
    for (var channel : open) {
      channel.close();
    }
    return result;
  }

  private static DefaultConsumer consumer(Channel channel, Inbox inbox, Consumption consumption) {
    return new DefaultConsumer(channel) {
      @Override
      public void handleDelivery(
          String tag, Envelope envelope, AMQP.BasicProperties properties, byte[] body)
          throws IOException {
        try {
          boolean fresh = inbox.handle(properties.getMessageId(), body);
          channel.basicAck(envelope.getDeliveryTag(), false);
          consumption.acknowledged(fresh);
        } catch (Exception error) {
          consumption.failed(error);
        }
      }
    };
  }
}
