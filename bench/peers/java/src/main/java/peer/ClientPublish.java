package peer;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.ConfirmListener;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.impl.ClientVersion;
import java.util.Map;
import java.util.concurrent.ConcurrentNavigableMap;
import java.util.concurrent.ConcurrentSkipListMap;

/** RabbitMQ's own client: one channel, confirms as they come. */
final class ClientPublish {
  private ClientPublish() {}

  static void run(Arguments arguments) throws Exception {
    var factory = new ConnectionFactory();
    factory.setUri(arguments.text("amqp"));
    try (var connection = factory.newConnection("peer");
        var channel = connection.createChannel()) {
      channel.confirmSelect();
      Driver.serve("amqp-client " + ClientVersion.VERSION, () -> publish(channel, arguments));
    }
  }

  private static Map<String, Object> publish(Channel channel, Arguments arguments)
      throws Exception {
    var exchange = arguments.text("exchange");
    var key = arguments.text("routing-key");
    int count = arguments.number("count");
    var body = new byte[arguments.number("body-bytes")];
    var publication = new Publication(count, arguments.number("in-flight"));
    var outstanding = new ConcurrentSkipListMap<Long, Long>();
    var confirms = confirms(outstanding, publication);
    channel.addConfirmListener(confirms);
    channel.addReturnListener(returned -> publication.returned());
    channel.addShutdownListener(publication::failed);
    for (int i = 0; i < count; i++) {
      long begun = publication.begin();
      outstanding.put(channel.getNextPublishSeqNo(), begun);
      channel.basicPublish(exchange, key, true, properties(i), body);
    }
    var result = publication.result();
    channel.removeConfirmListener(confirms);
    channel.clearReturnListeners();
    return result;
  }

  private static ConfirmListener confirms(
      ConcurrentNavigableMap<Long, Long> outstanding, Publication publication) {
    return new ConfirmListener() {
      @Override
      public void handleAck(long tag, boolean multiple) {
        answered(tag, multiple, true);
      }

      @Override
      public void handleNack(long tag, boolean multiple) {
        answered(tag, multiple, false);
      }

      private void answered(long tag, boolean multiple, boolean isConfirmed) {
        if (!multiple) {
          publication.answered(outstanding.remove(tag), isConfirmed);
          return;
        }
        var answered = outstanding.headMap(tag, true);
        answered.values().forEach(begun -> publication.answered(begun, isConfirmed));
        answered.clear();
      }
    };
  }

  private static AMQP.BasicProperties properties(int index) {
    return new AMQP.BasicProperties.Builder()
        .messageId(Integer.toString(index))
        .contentType("application/protobuf")
        .deliveryMode(2)
        .build();
  }
}
