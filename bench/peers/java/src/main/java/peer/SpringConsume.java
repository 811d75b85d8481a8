package peer;

import com.rabbitmq.client.Channel;
import java.util.Map;
import org.springframework.amqp.core.AcknowledgeMode;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.connection.ConnectionFactory;
import org.springframework.amqp.rabbit.listener.SimpleMessageListenerContainer;
import org.springframework.amqp.rabbit.listener.api.ChannelAwareMessageListener;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

/**
 * Spring AMQP: a listener container with a consumer for each connection to PostgreSQL, among which
 * the prefetch is shared out.
 */
final class SpringConsume {
  private final JdbcTemplate jdbc;
  private final TransactionTemplate transactions;

  private SpringConsume(JdbcTemplate jdbc, TransactionTemplate transactions) {
    this.jdbc = jdbc;
    this.transactions = transactions;
  }

  static void run(Arguments arguments) throws Exception {
    var connections = new CachingConnectionFactory();
    connections.setUri(arguments.text("amqp"));
    connections.createConnection().close();
    try (var pool = Inbox.pool(arguments.text("postgres"))) {
      var inbox =
          new SpringConsume(
              new JdbcTemplate(pool), new TransactionTemplate(new JdbcTransactionManager(pool)));
      Driver.serve(SpringPublish.library(), () -> inbox.consume(connections, arguments));
    }
    connections.destroy();
  }

  private Map<String, Object> consume(ConnectionFactory connections, Arguments arguments)
      throws Exception {
    int prefetch = arguments.number("prefetch");
    int consumers = Math.min(Inbox.CONNECTIONS, prefetch);
    var consumption = new Consumption(arguments.number("count"));
    var container = new SimpleMessageListenerContainer(connections);
    container.setQueueNames(arguments.text("queue"));
    container.setConcurrentConsumers(consumers);
    container.setPrefetchCount(prefetch / consumers);
    // The container's own way, AUTO, acknowledges at the same point but does not tell when.
    container.setAcknowledgeMode(AcknowledgeMode.MANUAL);
    container.setMessageListener(
        (ChannelAwareMessageListener)
            (message, channel) -> acknowledge(message, channel, consumption));
    container.afterPropertiesSet();
    container.start();
    var result = consumption.result();
    container.destroy();
    return result;
  }

  private void acknowledge(Message message, Channel channel, Consumption consumption) {
    try {
      boolean fresh = Boolean.TRUE.equals(transactions.execute(status -> handle(message)));
      channel.basicAck(message.getMessageProperties().getDeliveryTag(), false);
      consumption.acknowledged(fresh);
    } catch (Exception error) {
      consumption.failed(error);
    }
  }

  private boolean handle(Message message) {
    var messageId = message.getMessageProperties().getMessageId();
    boolean fresh = jdbc.update(Inbox.REMEMBER, messageId) == 1;
    if (fresh) {
      jdbc.update(Inbox.EFFECT, messageId, message.getBody());
    }
    return fresh;
  }
}
