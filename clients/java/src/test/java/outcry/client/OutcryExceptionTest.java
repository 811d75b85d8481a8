package outcry.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import com.google.protobuf.Any;
import com.google.protobuf.util.Durations;
import com.google.rpc.BadRequest;
import com.google.rpc.BadRequest.FieldViolation;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.protobuf.StatusProto;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import outcry.contract.Violation;

class OutcryExceptionTest {
  @Test
  void theDetailsOfAStatusAreRead() {
    FieldViolation byRule =
        FieldViolation.newBuilder().setField("terms.quantity").setReason("INT64_GTE_LTE").build();
    FieldViolation inWords =
        FieldViolation.newBuilder().setField("request_id").setDescription("is empty").build();
    com.google.rpc.Status status =
        com.google.rpc.Status.newBuilder()
            .setCode(Code.INVALID_ARGUMENT.value())
            .setMessage("no good")
            .addDetails(Any.pack(ErrorInfo.newBuilder().setReason("INVALID_FIELD").build()))
            .addDetails(
                Any.pack(
                    BadRequest.newBuilder()
                        .addFieldViolations(byRule)
                        .addFieldViolations(inWords)
                        .build()))
            .addDetails(
                Any.pack(RetryInfo.newBuilder().setRetryDelay(Durations.fromMillis(1_500)).build()))
            .build();
    OutcryException read = OutcryException.of(StatusProto.toStatusRuntimeException(status));
    assertEquals(Code.INVALID_ARGUMENT, read.code());
    assertEquals("INVALID_FIELD", read.reason());
    assertEquals(
        List.of(
            new Violation("request_id", "is empty"),
            new Violation("terms.quantity", "INT64_GTE_LTE")),
        read.violations());
    assertEquals(Optional.of(Duration.ofMillis(1_500)), read.retryAfter());
  }

  @Test
  void aConnectionThatEndsUnderARequestMakesThePlatformUnavailable() {
    Status closed = Status.UNKNOWN.withCause(new ClosedChannelException());
    assertEquals(Code.UNAVAILABLE, OutcryException.of(closed.asRuntimeException()).code());
    Status own = Status.UNKNOWN.withDescription("a handler's own");
    assertEquals(Code.UNKNOWN, OutcryException.of(own.asRuntimeException()).code());
  }

  @Test
  void whatWasReadAlreadyStaysAsItIs() {
    OutcryException read = OutcryException.of(Status.UNAVAILABLE.asException());
    assertSame(read, OutcryException.of(read));
  }

  @Test
  void aStatusWithoutDetailsHasNoReason() {
    OutcryException read = OutcryException.of(Status.UNAVAILABLE.asException());
    assertEquals(Code.UNAVAILABLE, read.code());
    assertEquals("", read.reason());
    assertEquals(List.of(), read.violations());
    assertEquals(Optional.empty(), read.retryAfter());
  }
}
