package outcry.consumer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import com.rabbitmq.client.AMQP.BasicProperties;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import outcry.contract.SchemaMatch;
import outcry.contract.Violation;

class DeadLetterTest {
  private static Event dead(List<Violation> violations) {
    return new Event(
        new byte[0],
        "a.key",
        SchemaMatch.UNKNOWN,
        Action.DEAD,
        Reason.INVALID,
        violations,
        null,
        null);
  }

  @Test
  void theReasonIsAddedAndNothingElseChanges() {
    List<Violation> violations =
        List.of(
            new Violation("event_id", "string.uuid"), new Violation("source", "string.pattern"));
    BasicProperties own =
        new BasicProperties.Builder()
            .contentType("application/cloudevents+protobuf")
            .messageId("7")
            .headers(Map.of("made-by", "a test"))
            .build();
    BasicProperties put = DeadLetter.properties(own, dead(violations), "billing");
    assertEquals(own.getContentType(), put.getContentType());
    assertEquals(own.getMessageId(), put.getMessageId());
    assertEquals(
        Map.of(
            "made-by", "a test",
            "outcry-reason", "INVALID",
            "outcry-rules", "event_id string.uuid, source string.pattern",
            "outcry-queue", "billing"),
        put.getHeaders());
  }

  @Test
  void aMessageThatWouldBeLostOrRefusedIsKept() {
    BasicProperties own =
        new BasicProperties.Builder().deliveryMode(1).expiration("10").userId("ann").build();
    BasicProperties put = DeadLetter.properties(own, dead(List.of()), "billing");
    assertEquals(2, put.getDeliveryMode());
    assertNull(put.getExpiration());
    assertNull(put.getUserId());
  }

  @Test
  void theRulesFitTheHeaders() {
    List<Violation> many = Collections.nCopies(10_000, new Violation("field", "string.uuid"));
    Object rules = DeadLetter.headers(Map.of(), dead(many), "q").get(DeadLetter.RULES);
    assertEquals(DeadLetter.RULES_CHARS_MAX, rules.toString().length());
  }
}
