/** Client and event consumer for Node. In a browser, import `@outcry/client/web`. */
export * from "./contract.js";
export { deadQueue } from "./dead_letter.js";
export {
  EventConsumer,
  eventJson,
  type ConsumerOptions,
  type ReceivedEvent,
  type Settlement,
} from "./event_consumer.js";
export { judge, type DeadReason, type Judgement } from "./judgement.js";
export { grpcClient } from "./node.js";
export { HandlingError, QueueError, type QueueOptions } from "./queue.js";
export { brokenRules } from "./rules.js";
export { RecentEvents, type SeenEvents } from "./seen_events.js";
