package outcry.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.Durations;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import outcry.contract.Violation;

/** A call was refused or failed. */
public final class OutcryException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final Code code;
  private final String reason;
  private final transient List<Violation> violations;
  private final transient Duration retryAfter;

  OutcryException(
      Code code,
      String reason,
      String message,
      List<Violation> violations,
      Duration retryAfter,
      Throwable cause) {
    super(code + (reason.isEmpty() ? "" : " " + reason) + ": " + message, cause);
    this.code = code;
    this.reason = reason;
    this.violations = List.copyOf(violations);
    this.retryAfter = retryAfter;
  }

  /** Reads the details that the platform sends with every status. */
  static OutcryException of(Throwable failure) {
    if (failure instanceof OutcryException already) {
      return already;
    }
    Status status = Status.fromThrowable(failure);
    com.google.rpc.Status told = StatusProto.fromThrowable(failure);
    String reason = "";
    List<Violation> violations = List.of();
    Duration retryAfter = null;
    for (Any detail : told == null ? List.<Any>of() : told.getDetailsList()) {
      try {
        if (detail.is(ErrorInfo.class)) {
          reason = detail.unpack(ErrorInfo.class).getReason();
        } else if (detail.is(BadRequest.class)) {
          violations = violations(detail.unpack(BadRequest.class));
        } else if (detail.is(RetryInfo.class)) {
          long millis = Durations.toMillis(detail.unpack(RetryInfo.class).getRetryDelay());
          retryAfter = Duration.ofMillis(millis);
        }
      } catch (InvalidProtocolBufferException e) {
        // A detail that cannot be read is left out; the code says enough to go on with.
        continue;
      }
    }
    String message = status.getDescription() == null ? "no answer" : status.getDescription();
    if (status.getCause() != null) {
      message += ": " + status.getCause().getMessage();
    }
    Code code = isLost(status) ? Code.UNAVAILABLE : status.getCode();
    return new OutcryException(code, reason, message, violations, retryAfter, failure);
  }

  /** gRPC names no code when a connection ends while a request is being written to it. */
  private static boolean isLost(Status status) {
    return status.getCode() == Code.UNKNOWN && status.getCause() instanceof IOException;
  }

  public Code code() {
    return code;
  }

  /** Stable name of the cause, such as {@code INVALID_FIELD}; empty if nobody answered. */
  public String reason() {
    return reason;
  }

  /** Of a request that is not valid, sorted: which fields, and which rules they break. */
  public List<Violation> violations() {
    return violations;
  }

  /** After which time the platform wants to be asked again, if it says so. */
  public Optional<Duration> retryAfter() {
    return Optional.ofNullable(retryAfter);
  }

  /** By the rule; where the platform names none, by what it says in words. */
  private static List<Violation> violations(BadRequest bad) {
    return bad.getFieldViolationsList().stream()
        .map(
            each ->
                new Violation(
                    each.getField(),
                    each.getReason().isEmpty() ? each.getDescription() : each.getReason()))
        .sorted()
        .toList();
  }
}
