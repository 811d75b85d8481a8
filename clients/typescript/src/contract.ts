/** What the clients of every place have in common. */
export { OutcryClient, type CommandOptions, type TransportFactory } from "./client.js";
export * from "./gen/outcry/events/v1/envelope_pb.js";
export * from "./gen/outcry/orders/v1/events_pb.js";
export * from "./gen/outcry/orders/v1/order_service_pb.js";
export * from "./gen/outcry/orders/v1/types_pb.js";
export { money, moneyText } from "./money.js";
export type { FollowOptions } from "./order_updates.js";
export { Refusal } from "./refusal.js";
export type { Violation } from "./rules.js";
export { allEventTypes, findEvent, registry, type EventType } from "./schema.js";
export type { Credentials } from "./session.js";
