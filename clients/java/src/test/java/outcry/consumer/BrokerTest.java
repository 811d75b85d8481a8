package outcry.consumer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.rabbitmq.client.ConnectionFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BrokerTest {
  @Test
  void anAddressIsReadInAllItsParts() {
    ConnectionFactory factory = Broker.at("amqp://ann:secret@broker.example:5673/%2f");
    assertEquals("broker.example", factory.getHost());
    assertEquals(5673, factory.getPort());
    assertEquals("/", factory.getVirtualHost());
    assertEquals("ann", factory.getUsername());
    assertFalse(factory.isSSL());
    assertTrue(Broker.at("amqps://ann:secret@broker.example/%2f").isSSL());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "broker", "http://a:secret@b", "amqp://a:secret@b:port", "amqp:secret"})
  void whatIsNoAddressIsRefusedWithoutShowingIt(String address) {
    IllegalArgumentException refused =
        assertThrows(IllegalArgumentException.class, () -> Broker.at(address));
    assertFalse(refused.getMessage().contains("secret"));
    assertNull(refused.getCause());
  }
}
