package outcry.consumer;

import com.google.protobuf.DynamicMessage;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import outcry.contract.Contract;
import outcry.contract.EventType;
import outcry.contract.SchemaMatch;
import outcry.contract.Violation;
import outcry.events.v1.Envelope.EventEnvelope;

/** Decides what is to be done with a message. Takes nothing on trust. */
public final class Judge {
  private static final String PAYLOAD = "payload";

  private final Contract contract;
  private final EventMemory memory;
  private final UnknownTypes unknownTypes;

  public Judge(Contract contract, EventMemory memory, UnknownTypes unknownTypes) {
    this.contract = contract;
    this.memory = memory;
    this.unknownTypes = unknownTypes;
  }

  /** What breaks the contract is dead even if its id was seen. */
  public Event judge(byte[] body, String routingKey, Map<String, Object> headers) {
    Object header = headers.get(SchemaMatch.HEADER);
    String fingerprint = header == null ? null : header.toString();
    EventEnvelope envelope;
    try {
      envelope = EventEnvelope.parseFrom(body);
    } catch (InvalidProtocolBufferException e) {
      SchemaMatch schema = SchemaMatch.of(fingerprint, null);
      return new Event(
          body, routingKey, schema, Action.DEAD, Reason.UNREADABLE, List.of(), null, null);
    }
    EventType type = contract.event(Event.typeOf(envelope.getPayload()));
    String topic = envelope.getEventType().isEmpty() ? routingKey : envelope.getEventType();
    SchemaMatch schema = SchemaMatch.of(fingerprint, type);
    Verdict verdict = judge(envelope, type);
    return new Event(
        body,
        topic,
        schema,
        verdict.action,
        verdict.reason,
        verdict.violations,
        envelope,
        verdict.payload);
  }

  private Verdict judge(EventEnvelope envelope, EventType type) {
    List<Violation> broken = contract.violations(envelope);
    if (type == null) {
      return broken.isEmpty() ? stranger() : Verdict.invalid(broken, null);
    }
    // The rules of a later version are not known here, so it cannot be judged by them.
    if (Integer.compareUnsigned(envelope.getSchemaVersion(), type.version()) > 0) {
      return Verdict.dead(Reason.NEWER_SCHEMA);
    }
    Message payload;
    try {
      payload = DynamicMessage.parseFrom(type.descriptor(), envelope.getPayload().getValue());
    } catch (InvalidProtocolBufferException e) {
      return Verdict.dead(Reason.UNREADABLE);
    }
    List<Violation> all =
        Stream.concat(broken.stream(), contract.violations(payload, PAYLOAD).stream())
            .sorted()
            .toList();
    if (!all.isEmpty()) {
      return Verdict.invalid(all, payload);
    }
    boolean seen = memory.contains(envelope.getEventId());
    return new Verdict(seen ? Action.DUPLICATE : Action.HANDLED, null, List.of(), payload);
  }

  private Verdict stranger() {
    return unknownTypes == UnknownTypes.IGNORE
        ? new Verdict(Action.IGNORED, null, List.of(), null)
        : Verdict.dead(Reason.UNKNOWN_TYPE);
  }

  private record Verdict(
      Action action, Reason reason, List<Violation> violations, Message payload) {
    static Verdict dead(Reason reason) {
      return new Verdict(Action.DEAD, reason, List.of(), null);
    }

    static Verdict invalid(List<Violation> violations, Message payload) {
      return new Verdict(Action.DEAD, Reason.INVALID, violations, payload);
    }
  }
}
