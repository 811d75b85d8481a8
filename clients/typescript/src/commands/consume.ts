import { createHash } from "node:crypto";
import { EventConsumer, eventJson, type Settlement } from "../event_consumer.js";
import { PREFETCH, makeQueue } from "../queue.js";
import { UsageError, complain, count, options, print, required, variable } from "./arguments.js";

/** How long to wait for all messages when nothing is said, in seconds. */
const WITHIN_S = 60;

/** Queue options that `consume` and `cloudevents` share. */
export function queueArguments(args: string[]) {
  const found = options(args, ["queue", "topic", "count", "within"], "topic");
  const topics = found.get("topic") ?? [];
  if (topics.length === 0) throw new UsageError("--topic is missing");
  return {
    queue: required(found, "queue"),
    topics,
    wanted: count(found, "count", 0),
    withinMs: count(found, "within", 1, WITHIN_S) * 1000,
    url: variable("OUTCRY_AMQP"),
    log: complain,
  };
}

/** Counts messages: aborts once all have come, or it took too long. */
export class Counter {
  readonly #done = new AbortController();
  readonly signal: AbortSignal;
  #left: number;

  constructor(wanted: number, withinMs: number) {
    this.#left = wanted;
    this.signal = AbortSignal.any([this.#done.signal, AbortSignal.timeout(withinMs)]);
  }

  add(): void {
    this.#left -= 1;
    if (this.#left === 0) this.#done.abort();
  }

  /** Whether all have come; complains otherwise. */
  complete(): boolean {
    if (this.#left > 0) complain(`${this.#left} message(s) did not come in time`);
    return this.#left <= 0;
  }
}

/** `consume`: settles so many messages and prints each; makes the queues only when none are wanted. */
export async function consume(args: string[]): Promise<boolean> {
  const { wanted, withinMs, ...queue } = queueArguments(args);
  if (wanted === 0) {
    await makeQueue(queue);
    return true;
  }
  const counter = new Counter(wanted, withinMs);
  const consumer = new EventConsumer({
    ...queue,
    prefetch: Math.min(wanted, PREFETCH),
    handle: () => undefined,
    settled: (settlement) => {
      print(shown(settlement));
      counter.add();
    },
  });
  await consumer.run(counter.signal);
  return counter.complete();
}

function shown({ message, judgement, action, violations }: Settlement) {
  const { eventId, topic, type, schema, envelope } = judgement;
  return {
    event_id: eventId,
    topic: envelope ? topic : message.fields.routingKey,
    type,
    sha256: createHash("sha256").update(message.content).digest("hex"),
    schema,
    action,
    violations,
    ...(action === "handled" && envelope && { event: eventJson(envelope) }),
  };
}
