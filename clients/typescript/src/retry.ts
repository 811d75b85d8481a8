import type { DescMethod, Message } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { backoff, pause } from "./pause.js";
import { Refusal } from "./refusal.js";

/** Attempts in all: more would only add to what made the first ones fail. */
const ATTEMPTS = 4;
/** First and longest wait between attempts, in milliseconds. */
const WAIT = { first: 100, longest: 2_000 };
/** A wait longer than this, in milliseconds, is the caller's to decide about. */
const LONGEST_ASKED_MS = 10_000;
/** What may pass when the same call is made again. */
const PASSING = new Set(["UNAVAILABLE", "RESOURCE_EXHAUSTED"]);

/**
 * Whether the same call may be made again although the first may have been carried out: the contract
 * says so of the method, or the request has an id by which the platform knows it again.
 */
export function isRepeatable(method: DescMethod, request: Message): boolean {
  if (method.idempotency !== undefined && method.idempotency !== UNKNOWN) return true;
  return "requestId" in request && request.requestId !== "";
}
const UNKNOWN = MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN;

/** How long to wait before the next attempt, in milliseconds; `undefined` means give up. */
export function waitBeforeRetry(
  { code, retryAfterMs }: Pick<Refusal, "code" | "retryAfterMs">,
  attempt: number,
  chance = Math.random(),
): number | undefined {
  if (!PASSING.has(code) || attempt >= ATTEMPTS) return undefined;
  const own = backoff(attempt, WAIT, chance);
  if (retryAfterMs === undefined) return own;
  // Never before the time that was asked for, and not all at once then.
  return retryAfterMs > LONGEST_ASKED_MS ? undefined : retryAfterMs + own;
}

/** Makes calls again that may be made again. The deadline of the call is that of all attempts. */
export const retrying: Interceptor = (next) => async (request) => {
  if (request.stream || !isRepeatable(request.method, request.message)) return next(request);
  for (let attempt = 1; ; attempt++) {
    try {
      return await next(request);
    } catch (thrown) {
      if (request.signal.aborted) throw thrown;
      const error = unavailable(thrown);
      const wait = waitBeforeRetry(Refusal.from(error), attempt);
      if (wait === undefined) throw error;
      await pause(wait, request.signal);
      if (request.signal.aborted) throw error;
    }
  }
};

/**
 * A lost connection cancels its calls in Node, and is a TypeError of `fetch` in a browser. To those
 * who did not ask for that, the platform was unavailable.
 */
function unavailable(thrown: unknown): ConnectError {
  const error = ConnectError.from(thrown);
  const lost =
    error.code === Code.Canceled ||
    (error.code === Code.Unknown && error.cause instanceof TypeError);
  if (!lost) return error;
  return new ConnectError(error.rawMessage, Code.Unavailable, undefined, undefined, error);
}
