package outcry.consumer;

import com.rabbitmq.client.ConnectionFactory;
import java.net.URI;
import java.net.URISyntaxException;
import java.security.GeneralSecurityException;
import java.time.Duration;
import javax.net.ssl.SSLContext;

/** How RabbitMQ is reached. */
public final class Broker {
  /** For a connection, and for an answer of the server. */
  static final Duration ANSWER_WITHIN = Duration.ofSeconds(10);

  /** After this silence the connection is held for lost. */
  static final Duration HEARTBEAT = Duration.ofSeconds(10);

  private Broker() {}

  /**
   * Connections to {@code amqp://user:password@host:port/%2f}, or {@code amqps://} with TLS.
   *
   * @throws IllegalArgumentException if it is no such address
   */
  public static ConnectionFactory at(String address) {
    ConnectionFactory factory = new ConnectionFactory();
    try {
      URI uri = new URI(address);
      boolean secure = "amqps".equals(uri.getScheme());
      if (uri.getHost() == null || !secure && !"amqp".equals(uri.getScheme())) {
        throw new URISyntaxException("", "");
      }
      factory.setUri(uri);
      if (secure) {
        // The client's own default trusts every certificate.
        factory.useSslProtocol(SSLContext.getDefault());
        factory.enableHostnameVerification();
      }
    } catch (URISyntaxException | GeneralSecurityException e) {
      // The cause would show the password.
      throw new IllegalArgumentException(
          "the address of RabbitMQ is not of the form amqp://user:password@host:port/%2f");
    }
    // Who reads must declare anew, and forget what was received: no connection of its own accord.
    factory.setAutomaticRecoveryEnabled(false);
    factory.setConnectionTimeout((int) ANSWER_WITHIN.toMillis());
    factory.setHandshakeTimeout((int) ANSWER_WITHIN.toMillis());
    factory.setChannelRpcTimeout((int) ANSWER_WITHIN.toMillis());
    factory.setRequestedHeartbeat((int) HEARTBEAT.toSeconds());
    return factory;
  }
}
