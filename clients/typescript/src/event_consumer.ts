import { toJson, type JsonValue, type Message } from "@bufbuild/protobuf";
import type { ConsumeMessage } from "amqplib";
import { deadHeaders } from "./dead_letter.js";
import { EventEnvelopeSchema, type EventEnvelope } from "./gen/outcry/events/v1/envelope_pb.js";
import { judge, type DeadReason, type Judgement } from "./judgement.js";
import { HandlingError, followQueue, type Delivery, type QueueOptions } from "./queue.js";
import type { Violation } from "./rules.js";
import { registry } from "./schema.js";
import { RecentEvents, type SeenEvents } from "./seen_events.js";

/** Says which schema an event was made with. */
const SCHEMA_HEADER = "outcry-schema";

/** An event that keeps the contract. */
export interface ReceivedEvent {
  readonly envelope: EventEnvelope;
  /** The event itself; `isMessage(payload, OrderFilledEventSchema)` tells which. */
  readonly payload: Message;
}

/** What was done with a message. */
export interface Settlement {
  readonly message: ConsumeMessage;
  readonly judgement: Judgement;
  readonly action: "handled" | "duplicate" | "ignored" | "dead";
  readonly reason?: DeadReason;
  /** The rules that a dead one breaks. */
  readonly violations: readonly Violation[];
}

export interface ConsumerOptions extends QueueOptions {
  /** Called for each event, one at a time. Its error ends `run`; the event stays in the queue. */
  readonly handle: (event: ReceivedEvent) => void | Promise<void>;
  /** Of events whose type the package does not know. Money is moved by `dead-letter` only. */
  readonly unknownTypes?: "ignore" | "dead-letter";
  /** Which events were handled; the last 100,000 in memory when left out. */
  readonly seen?: SeenEvents;
  /** Told of each message once it is settled. */
  readonly settled?: (settlement: Settlement) => void;
}

/** Takes events from a queue of one's own, and takes nothing of them on trust. */
export class EventConsumer {
  readonly #options: ConsumerOptions;
  readonly #seen: SeenEvents;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#seen = options.seen ?? new RecentEvents();
  }

  /** Consumes until `signal` aborts; throws a `HandlingError` when an event could not be handled. */
  async run(signal: AbortSignal): Promise<void> {
    await followQueue(this.#options, (delivery) => this.#take(delivery), signal);
  }

  async #take(delivery: Delivery): Promise<void> {
    const { message } = delivery;
    const judgement = judge(message.content, text(message.properties.headers?.[SCHEMA_HEADER]));
    const settlement = await this.#settle(delivery, judgement);
    this.#options.settled?.({ message, judgement, violations: [], ...settlement });
  }

  async #settle(
    delivery: Delivery,
    { verdict, envelope }: Judgement,
  ): Promise<Pick<Settlement, "action"> & Partial<Settlement>> {
    const acknowledged = (action: Settlement["action"]) => {
      delivery.acknowledge();
      return { action };
    };
    const dead = async (reason: DeadReason, violations: readonly Violation[] = []) => {
      const headers = delivery.message.properties.headers ?? {};
      await delivery.putAside(deadHeaders(headers, this.#options.queue, reason, violations));
      return { action: "dead" as const, reason, violations };
    };
    if (verdict.kind === "dead") return dead(verdict.reason, verdict.violations);
    if (verdict.kind === "unknown-type" || !envelope) {
      return this.#options.unknownTypes === "dead-letter"
        ? dead("UNKNOWN_TYPE")
        : acknowledged("ignored");
    }
    const handled = await this.#handle({ envelope, payload: verdict.payload });
    return acknowledged(handled ? "handled" : "duplicate");
  }

  /** Answers whether there was anything to do: not if its id was handled before. */
  async #handle(event: ReceivedEvent): Promise<boolean> {
    const { eventId } = event.envelope;
    try {
      if (await this.#seen.has(eventId)) return false;
      await this.#options.handle(event);
      await this.#seen.add(eventId);
      return true;
    } catch (error) {
      // An event that keeps the contract is never put aside, whatever fails here: a database that is
      // away would put the whole queue aside.
      const why = error instanceof Error ? error.message : String(error);
      throw new HandlingError(`event ${eventId} was not handled: ${why}`, { cause: error });
    }
  }
}

/** An event in protobuf's JSON form, its payload expanded with `@type`. */
export function eventJson(envelope: EventEnvelope): JsonValue {
  return toJson(EventEnvelopeSchema, envelope, { registry });
}

/** A header's text; anything else counts as another schema than ours. */
function text(header: unknown): string | undefined {
  return header === undefined ? undefined : String(header);
}
