import { type Client } from "@connectrpc/connect";
import type {
  OrderService,
  StreamOrderUpdatesResponse,
} from "./gen/outcry/orders/v1/order_service_pb.js";
import { backoff, pause } from "./pause.js";
import { Refusal } from "./refusal.js";

/** Streams that brought nothing, in a row, after which following gives up: about a minute. */
const ATTEMPTS = 10;
/** First and longest wait before a stream is opened again, in milliseconds. */
const REOPEN = { first: 200, longest: 10_000 };
/** A stream is opened anew after this long, in milliseconds: the platform ends it at about that age, too. */
const STREAM_LIFE_MS = 3_600_000;
/** Ends of a stream after which the same one can be had again; not by the caller's own wish. */
const REOPENED = new Set([
  "CANCELLED",
  "UNAVAILABLE",
  "RESOURCE_EXHAUSTED",
  "DEADLINE_EXCEEDED",
  "UNAUTHENTICATED",
  "ABORTED",
  "INTERNAL",
  "UNKNOWN",
]);

/** Which updates to follow. */
export interface FollowOptions {
  /** The last sequence that was handled; 0 starts with the oldest that is kept. */
  readonly afterSequence?: bigint;
  /** Only this symbol. */
  readonly symbol?: string;
  readonly signal: AbortSignal;
}

/**
 * The changes of the caller's orders, each once and in order. A lost stream is opened again where it
 * ended. Ends when `signal` aborts.
 */
export async function* followOrders(
  orders: Client<typeof OrderService>,
  { afterSequence = 0n, symbol = "", signal }: FollowOptions,
  rejectToken: () => void,
): AsyncGenerator<StreamOrderUpdatesResponse> {
  let last = afterSequence;
  for (let failures = 0; !signal.aborted;) {
    let refusal: Refusal | undefined;
    const left = new AbortController();
    try {
      const request = { afterSequence: last, symbol };
      const options = {
        signal: AbortSignal.any([signal, left.signal]),
        timeoutMs: STREAM_LIFE_MS,
      };
      for await (const update of orders.streamOrderUpdates(request, options)) {
        failures = 0;
        if (update.sequence <= last) continue;
        last = update.sequence;
        yield update;
      }
    } catch (error) {
      refusal = Refusal.from(error);
      if (signal.aborted) return;
      if (!REOPENED.has(refusal.code)) throw refusal;
      if (refusal.code === "UNAUTHENTICATED") rejectToken();
    } finally {
      // Also when whoever followed has left the loop.
      left.abort();
    }
    failures += 1;
    if (failures >= ATTEMPTS) throw refusal ?? new Error("the stream ended each time");
    await pause(backoff(failures, REOPEN) + (refusal?.retryAfterMs ?? 0), signal);
  }
}
