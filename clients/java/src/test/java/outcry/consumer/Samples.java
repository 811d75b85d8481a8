package outcry.consumer;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.util.Timestamps;
import java.util.UUID;
import outcry.events.v1.Envelope.EventEnvelope;
import outcry.orders.v1.Events.OrderFilledEvent;
import outcry.orders.v1.Types.OrderStatus;
import outcry.orders.v1.Types.Side;
import outcry.types.v1.MoneyOuterClass.Money;

/** Events for tests. */
final class Samples {
  private Samples() {}

  static OrderFilledEvent.Builder filled() {
    Money price = Money.newBuilder().setCurrencyCode("USD").setUnits(100).build();
    return OrderFilledEvent.newBuilder()
        .setOrderId(UUID.randomUUID().toString())
        .setUserId(UUID.randomUUID().toString())
        .setSymbol("MSFT")
        .setSide(Side.SIDE_BUY)
        .setLastQuantity(1)
        .setLastPrice(price)
        .setCumulativeQuantity(1)
        .setAveragePrice(price)
        .setStatus(OrderStatus.ORDER_STATUS_FILLED)
        .setExecutionId("MSFT-1-B");
  }

  static EventEnvelope.Builder envelope(OrderFilledEvent event) {
    return EventEnvelope.newBuilder()
        .setEventId(UUID.randomUUID().toString())
        .setSource("/orders")
        .setSpecVersion("1.0")
        .setEventType("order.filled")
        .setPayload(Any.pack(event))
        .setSchemaVersion(1)
        .setAggregateType("order")
        .setAggregateId(event.getOrderId())
        .setAggregateSequence(3)
        .setOccurredAt(Timestamps.fromMillis(1_800_000_000_000L))
        .setCorrelationId(UUID.randomUUID().toString())
        .setPartitionKey(event.getOrderId());
  }

  static EventEnvelope.Builder envelope() {
    return envelope(filled().build());
  }

  /** With a payload of another type or of other bytes. */
  static EventEnvelope.Builder payload(String type, ByteString bytes) {
    return envelope()
        .setPayload(
            Any.newBuilder().setTypeUrl("type.googleapis.com/" + type).setValue(bytes).build());
  }
}
