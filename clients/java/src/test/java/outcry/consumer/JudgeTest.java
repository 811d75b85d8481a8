package outcry.consumer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import com.google.protobuf.ByteString;
import com.google.protobuf.MessageLite;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import outcry.contract.Contract;
import outcry.contract.SchemaMatch;
import outcry.contract.Violation;
import outcry.events.v1.Envelope.EventEnvelope;
import outcry.orders.v1.Events.OrderFilledEvent;

class JudgeTest {
  private static final String FILLED = "outcry.orders.v1.OrderFilledEvent";

  private final EventMemory memory = new RecentEvents();
  private final Judge judge = new Judge(Contract.own(), memory, UnknownTypes.IGNORE);

  private Event judged(MessageLite.Builder envelope) {
    return judge.judge(envelope.build().toByteArray(), "a.key", Map.of());
  }

  private static void assertDead(Reason reason, Event event) {
    assertEquals(Action.DEAD, event.action());
    assertEquals(reason, event.reason());
  }

  @Test
  void anEventThatKeepsTheContractIsHandled() throws Exception {
    OrderFilledEvent filled = Samples.filled().build();
    Event event = judged(Samples.envelope(filled));
    assertEquals(Action.HANDLED, event.action());
    assertEquals("order.filled", event.topic());
    assertEquals(FILLED, event.type());
    assertEquals(SchemaMatch.UNKNOWN, event.schema());
    assertEquals(List.of(), event.violations());
    assertEquals(filled, event.payload(OrderFilledEvent.class));
  }

  @Test
  void theFingerprintOfTheSenderIsCompared() {
    byte[] body = Samples.envelope().build().toByteArray();
    String own = Contract.own().event(FILLED).fingerprint();
    assertEquals(SchemaMatch.SAME, judge.judge(body, "", headers(own)).schema());
    assertEquals(SchemaMatch.DIFFERS, judge.judge(body, "", headers("another")).schema());
  }

  private static Map<String, Object> headers(String fingerprint) {
    return Map.of("outcry-schema", fingerprint);
  }

  @Test
  void anEventThatWasHandledIsADuplicate() {
    EventEnvelope.Builder envelope = Samples.envelope();
    memory.add(envelope.getEventId());
    assertEquals(Action.DUPLICATE, judged(envelope).action());
  }

  @Test
  void brokenRulesOfEnvelopeAndPayloadAreAllNamed() {
    OrderFilledEvent nothing = Samples.filled().setLastQuantity(0).build();
    Event event = judged(Samples.envelope(nothing).setSource("orders").setEventId(""));
    assertDead(Reason.INVALID, event);
    assertEquals(
        List.of(
            new Violation("event_id", "string.uuid_empty"),
            new Violation("payload.last_quantity", "int64.gte_lte"),
            new Violation("source", "string.pattern")),
        event.violations());
  }

  @Test
  void anUnknownTypeIsIgnoredOrDeadAsTheConsumerWants() {
    EventEnvelope.Builder unknown =
        Samples.payload("outcry.orders.v9.OrderFilledEvent", ByteString.EMPTY);
    assertEquals(Action.IGNORED, judged(unknown).action());
    Judge strict = new Judge(Contract.own(), memory, UnknownTypes.DEAD_LETTER);
    byte[] body = unknown.build().toByteArray();
    assertDead(Reason.UNKNOWN_TYPE, strict.judge(body, "", Map.of()));
    // A message of the contract that is no event is no event here either.
    assertEquals(
        Action.IGNORED,
        judged(Samples.payload("outcry.orders.v1.Order", ByteString.EMPTY)).action());
  }

  @Test
  void anUnknownTypeDoesNotExcuseABrokenEnvelope() {
    assertDead(Reason.INVALID, judged(Samples.envelope().clearPayload()));
  }

  @Test
  void aNewerVersionIsDead() {
    assertDead(Reason.NEWER_SCHEMA, judged(Samples.envelope().setSchemaVersion(2)));
    assertDead(Reason.NEWER_SCHEMA, judged(Samples.envelope().setSchemaVersion(-1)));
  }

  @Test
  void whatCannotBeReadIsDead() {
    ByteString torn = ByteString.copyFrom(new byte[] {0x0a, (byte) 0xff});
    Event payload = judged(Samples.payload(FILLED, torn));
    assertDead(Reason.UNREADABLE, payload);
    assertEquals("order.filled", payload.topic());

    byte[] noise = "ÿ not an event".getBytes(StandardCharsets.ISO_8859_1);
    Event body = judge.judge(noise, "a.key", Map.of());
    assertDead(Reason.UNREADABLE, body);
    assertEquals("", body.id());
    assertEquals("", body.type());
    assertEquals("a.key", body.topic());
    assertNull(body.envelope());
  }
}
