// Calls over gRPC-Web: one answer, or a stream of them.

import { Wire } from "./wire.js";

/** Names of gRPC's codes, by number. */
const CODES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

/** A frame that holds the end of the answer and not a message. */
const TRAILERS = 0x80;

/** Bytes before a frame: its kind and its length. */
const HEAD = 5;

/** The largest frame that is read, as large as what the platform sends at most. */
const FRAME_MAX = 8 * 1024 * 1024;

/** How long a call may take that has one answer, in milliseconds: longer than an order that waits for its desk. */
const ANSWER_WITHIN = 15_000;

/** Codes of failures that pass. */
const PASSING = new Set([
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "RESOURCE_EXHAUSTED",
  "ABORTED",
  "CANCELLED",
  "UNKNOWN",
  "INTERNAL",
]);

/** A call that did not succeed. */
export class CallError extends Error {
  constructor(code, message, { details = [], correlationId = "" } = {}) {
    super(message || code);
    this.code = code;
    /** Whether messages had come before, of a stream. */
    this.begun = false;
    this.details = details;
    this.correlationId = correlationId;
  }

  /** Why, as a word that programs know; empty when nobody said. */
  get reason() {
    return this.details.find((detail) => detail.reason)?.reason ?? "";
  }

  /** What is wrong with which field of the request. */
  get violations() {
    return this.details.flatMap((detail) => detail.fieldViolations ?? []);
  }

  /** How long the platform asks to wait before the next attempt, in milliseconds. */
  get retryAfter() {
    const delay = this.details.find((detail) => detail.retryDelay)?.retryDelay;
    return delay ? parseFloat(delay) * 1000 : 0;
  }

  /** Whether nobody knows what became of the call, or the same call may succeed later. */
  get passes() {
    return PASSING.has(this.code);
  }
}

/** Makes calls to the platform that served this page. */
export class Calls {
  #wire;
  #methods;
  #session;

  /**
   * @param contract what `contract.json` holds
   * @param session gives the access token with `token()`, or nothing, and is told with `reject(token)` of
   *   one that was not taken
   */
  constructor(contract, session) {
    this.#wire = new Wire(contract);
    this.#methods = contract.methods;
    this.#session = session;
  }

  /** The answer of a method such as "outcry.orders.v1.OrderService/PlaceOrder". */
  async call(method, request = {}) {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), ANSWER_WITHIN);
    try {
      let answer;
      // To its very end: what it says last may still be a failure.
      for await (const message of this.stream(method, request, limit.signal)) answer = message;
      if (answer === undefined) throw new CallError("INTERNAL", "an answer without a message");
      return answer;
    } catch (error) {
      if (limit.signal.aborted) throw new CallError("DEADLINE_EXCEEDED", "no answer in 15 seconds");
      throw error;
    } finally {
      clearTimeout(timer);
      limit.abort();
    }
  }

  /** The answers of a method, as they come, until the stream is at its end. */
  async *stream(method, request, signal) {
    const token = await this.#session.token();
    try {
      yield* this.#attempt(method, request, signal, token);
    } catch (error) {
      if (!token || error.code !== "UNAUTHENTICATED" || signal?.aborted) throw error;
      this.#session.reject(token);
      // A token is judged before anything is carried out, and its end ends a stream: who was
      // reading goes on from what they have, by themselves.
      if (error.begun) throw error;
      yield* this.#attempt(method, request, signal, await this.#session.token());
    }
  }

  async *#attempt(method, request, signal, token) {
    const { takes, gives } = this.#methods[method];
    const headers = { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" };
    if (token) headers.authorization = `Bearer ${token}`;
    const body = framed(this.#wire.encode(takes, request));
    let response;
    try {
      response = await fetch(`/${method}`, { method: "POST", headers, body, signal });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new CallError("UNAVAILABLE", "the platform cannot be reached");
    }
    const correlationId = response.headers.get("outcry-correlation-id") ?? "";
    // An answer that is an error from the start has its end in the headers.
    this.#ended(response.headers, correlationId);
    if (!response.ok) {
      throw new CallError("UNAVAILABLE", `answered with ${response.status}`, { correlationId });
    }
    let [begun, ended] = [false, false];
    try {
      for await (const [kind, frame] of frames(response.body)) {
        if (kind & TRAILERS) {
          this.#ended(new Headers(pairs(new TextDecoder().decode(frame))), correlationId);
          ended = true;
          continue;
        }
        begun = true;
        yield this.#wire.decode(gives, frame);
      }
    } catch (error) {
      if (signal?.aborted) throw error;
      const cut =
        error instanceof CallError
          ? error
          : new CallError("UNAVAILABLE", "the answer was cut off", { correlationId });
      cut.begun = begun;
      throw cut;
    }
    if (ended || signal?.aborted) return;
    throw new CallError("UNAVAILABLE", "the answer was cut off", { correlationId });
  }

  /** Throws what the end of an answer says, unless it says that all is well or nothing yet. */
  #ended(headers, correlationId) {
    const status = headers.get("grpc-status");
    if (status === null || status === "0") return;
    throw new CallError(
      CODES[Number(status)] ?? "UNKNOWN",
      unescaped(headers.get("grpc-message") ?? ""),
      {
        details: this.#details(headers.get("grpc-status-details-bin")),
        correlationId,
      },
    );
  }

  #details(text) {
    if (!text) return [];
    try {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      return this.#wire.decode("google.rpc.Status", bytes).details ?? [];
    } catch {
      // An error whose details cannot be read is still that error.
      return [];
    }
  }
}

/** A message as the one frame of a request. */
function framed(message) {
  const body = new Uint8Array(HEAD + message.length);
  new DataView(body.buffer).setUint32(1, message.length);
  body.set(message, HEAD);
  return body;
}

/** A text without its percent signs; as it is, where they mean nothing. */
function unescaped(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** "name: value" on lines. */
function pairs(text) {
  return text
    .split("\r\n")
    .filter(Boolean)
    .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]);
}

/** Frames of a body, each with its kind. */
async function* frames(body) {
  const reader = body.getReader();
  let rest = new Uint8Array();
  try {
    for (;;) {
      while (rest.length >= HEAD) {
        const length = new DataView(rest.buffer, rest.byteOffset).getUint32(1);
        if (length > FRAME_MAX) throw new CallError("INTERNAL", "an answer is too large");
        if (rest.length < HEAD + length) break;
        yield [rest[0], rest.subarray(HEAD, HEAD + length)];
        rest = rest.subarray(HEAD + length);
      }
      const { done, value } = await reader.read();
      if (done) return;
      rest = rest.length ? joined(rest, value) : value;
    }
  } finally {
    // Whoever stops reading stops the call.
    reader.cancel().catch(() => {});
  }
}

function joined(first, second) {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
