package outcry.consumer;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import java.util.List;
import outcry.contract.Fingerprint;
import outcry.contract.SchemaMatch;
import outcry.contract.Violation;
import outcry.events.v1.Envelope.EventEnvelope;

/**
 * A message and the judgement on it.
 *
 * @param body as it came
 * @param topic of the envelope; the routing key if there is none
 * @param envelope null if the body is none
 * @param payload of the type that the envelope names; null unless it could be read
 * @param reason of a dead one, null otherwise
 * @param violations of an invalid one, sorted
 */
public record Event(
    byte[] body,
    String topic,
    SchemaMatch schema,
    Action action,
    Reason reason,
    List<Violation> violations,
    EventEnvelope envelope,
    Message payload) {

  /** Empty if the body is no envelope. */
  public String id() {
    return envelope == null ? "" : envelope.getEventId();
  }

  /** Name of the payload's message; empty if the body is no envelope. */
  public String type() {
    return envelope == null ? "" : typeOf(envelope.getPayload());
  }

  /** Of the body, in hexadecimal. */
  public String sha256() {
    return Fingerprint.sha256(body);
  }

  /** The payload as a generated class, if it is one. */
  public <T extends Message> T payload(Class<T> type) throws InvalidProtocolBufferException {
    return envelope.getPayload().unpack(type);
  }

  static String typeOf(Any payload) {
    String url = payload.getTypeUrl();
    return url.substring(url.lastIndexOf('/') + 1);
  }
}
