package peer;

import java.util.Map;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.MessageBuilder;
import org.springframework.amqp.core.MessageDeliveryMode;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory.ConfirmType;
import org.springframework.amqp.rabbit.connection.CorrelationData;
import org.springframework.amqp.rabbit.core.RabbitOperations;
import org.springframework.amqp.rabbit.core.RabbitTemplate;

/** Spring AMQP: a template with correlated confirms and returns. */
final class SpringPublish {
  private SpringPublish() {}

  static void run(Arguments arguments) throws Exception {
    var connections = new CachingConnectionFactory();
    connections.setUri(arguments.text("amqp"));
    connections.setPublisherConfirmType(ConfirmType.CORRELATED);
    connections.setPublisherReturns(true);
    var template = new RabbitTemplate(connections);
    template.setMandatory(true);
    // What came back is told with the confirm; without a callback the template would warn.
    template.setReturnsCallback(returned -> {});
    connections.createConnection().close();
    Driver.serve(library(), () -> publish(template, arguments));
    connections.destroy();
  }

  static String library() {
    return "spring-rabbit " + RabbitTemplate.class.getPackage().getImplementationVersion();
  }

  private static Map<String, Object> publish(RabbitTemplate template, Arguments arguments)
      throws Exception {
    // Outside such a scope each message that waits for its confirm keeps a channel of its own.
    return template.invoke(
        channel -> {
          try {
            return publish(channel, arguments);
          } catch (Exception error) {
            throw new IllegalStateException("cannot publish", error);
          }
        });
  }

  private static Map<String, Object> publish(RabbitOperations channel, Arguments arguments)
      throws Exception {
    var exchange = arguments.text("exchange");
    var key = arguments.text("routing-key");
    int count = arguments.number("count");
    var body = new byte[arguments.number("body-bytes")];
    var publication = new Publication(count, arguments.number("in-flight"));
    for (int i = 0; i < count; i++) {
      long begun = publication.begin();
      var correlation = new CorrelationData(Integer.toString(i));
      correlation
          .getFuture()
          .whenComplete(
              (confirm, error) -> {
                if (error != null) {
                  publication.failed(error);
                  return;
                }
                if (correlation.getReturned() != null) {
                  publication.returned();
                }
                publication.answered(begun, confirm.ack());
              });
      channel.convertAndSend(exchange, key, message(i, body), correlation);
    }
    return publication.result();
  }

  private static Message message(int index, byte[] body) {
    return MessageBuilder.withBody(body)
        .setMessageId(Integer.toString(index))
        .setContentType("application/protobuf")
        .setDeliveryMode(MessageDeliveryMode.PERSISTENT)
        .build();
  }
}
