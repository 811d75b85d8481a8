package outcry.consumer;

import com.rabbitmq.client.AMQP.BasicProperties;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Collectors;
import outcry.contract.Violation;

/** A message that is put aside, with the reason in its headers. */
public final class DeadLetter {
  public static final String REASON = "outcry-reason";
  public static final String RULES = "outcry-rules";
  public static final String QUEUE = "outcry-queue";

  /** Of the header with the rules: all headers must fit one frame, 128 KiB as a rule. */
  static final int RULES_CHARS_MAX = 16_384;

  /** The delivery mode of what survives a restart of RabbitMQ. */
  private static final int PERSISTENT = 2;

  private DeadLetter() {}

  /** Name of the queue beside another that takes its dead messages. */
  public static String queueOf(String queue) {
    return queue + ".dead";
  }

  /** The headers of the message as they were, and why it is dead. */
  static Map<String, Object> headers(Map<String, Object> own, Event event, String queue) {
    String rules =
        event.violations().stream().map(Violation::toString).collect(Collectors.joining(", "));
    Map<String, Object> headers = new HashMap<>(own);
    headers.put(REASON, event.reason().name());
    headers.put(RULES, rules.substring(0, Math.min(rules.length(), RULES_CHARS_MAX)));
    headers.put(QUEUE, queue);
    return headers;
  }

  /**
   * The properties of the message, but for those that would lose it: it is written to disk and
   * stays until it is taken, and RabbitMQ refuses a user id that is not the connection's own.
   */
  static BasicProperties properties(BasicProperties own, Event event, String queue) {
    Map<String, Object> headers = own.getHeaders() == null ? Map.of() : own.getHeaders();
    return own.builder()
        .deliveryMode(PERSISTENT)
        .expiration(null)
        .userId(null)
        .headers(headers(headers, event, queue))
        .build();
  }
}
