import { create, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { EventEnvelopeSchema } from "../src/gen/outcry/events/v1/envelope_pb.js";
import { OrderFilledEventSchema } from "../src/gen/outcry/orders/v1/events_pb.js";
import { OrderStatus, Side } from "../src/gen/outcry/orders/v1/types_pb.js";
import { money } from "../src/money.js";
import { findEvent } from "../src/schema.js";

export const EVENT_ID = "01890a5d-ac96-774b-bcce-b302099a8057";
export const FILLED = "outcry.orders.v1.OrderFilledEvent";

/** The fingerprint of the filled event's contract. */
export function fingerprint(): string {
  return findEvent(FILLED)?.type.fingerprint ?? "";
}

/** The bytes of an event that keeps the contract, but for what is changed. */
export function filled(
  payload: MessageInitShape<typeof OrderFilledEventSchema> = {},
  envelope: MessageInitShape<typeof EventEnvelopeSchema> = {},
): Uint8Array {
  const event = create(OrderFilledEventSchema, {
    orderId: "01890a5d-ac96-774b-bcce-b302099a8058",
    userId: "01890a5d-ac96-774b-bcce-b302099a8059",
    symbol: "MSFT",
    side: Side.BUY,
    lastQuantity: 1n,
    lastPrice: money("100.25"),
    cumulativeQuantity: 1n,
    averagePrice: money("100.25"),
    status: OrderStatus.FILLED,
    executionId: "MSFT-1-B",
    ...payload,
  });
  const sealed = create(EventEnvelopeSchema, {
    eventId: EVENT_ID,
    source: "/orders",
    specVersion: "1.0",
    eventType: "order.filled",
    payload: anyPack(OrderFilledEventSchema, event),
    schemaVersion: 1,
    aggregateType: "order",
    aggregateId: "01890a5d-ac96-774b-bcce-b302099a8058",
    aggregateSequence: 3n,
    occurredAt: timestampFromDate(new Date("2027-01-15T08:00:00Z")),
    correlationId: "01890a5d-ac96-774b-bcce-b302099a8060",
    partitionKey: "01890a5d-ac96-774b-bcce-b302099a8058",
    ...envelope,
  });
  return toBinary(EventEnvelopeSchema, sealed);
}

/** The same event with a payload of this type. */
export function withPayload(type: string, value: Uint8Array): Uint8Array {
  return filled({}, { payload: { typeUrl: `type.googleapis.com/${type}`, value } });
}
