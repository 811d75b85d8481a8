// Calls over gRPC-Web: one answer, or a stream of them.

import { Wire } from "./wire.js";

/** Names of gRPC's codes, by number. */
const CODES = [
  "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
  "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
  "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
];

/** A frame that holds the end of the answer and not a message. */
const TRAILERS = 0x80;

/** Bytes before a frame: its kind and its length. */
const HEAD = 5;

/** The largest frame that is read, as large as what the platform sends at most. */
const FRAME_MAX = 8 * 1024 * 1024;

/** How long a call may take that has one answer, in milliseconds. */
const ANSWER_WITHIN = 10_000;

/** A call that did not succeed. */
export class CallError extends Error {
  constructor(code, message, { details = [], correlationId = "" } = {}) {
    super(message || code);
    this.code = code;
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
}

/** Makes calls to the platform that served this page. */
export class Calls {
  /**
   * @param contract what `contract.json` holds
   * @param token gives the access token, or nothing
   */
  constructor(contract, token) {
    this.wire = new Wire(contract);
    this.methods = contract.methods;
    this.token = token;
  }

  /** The answer of a method such as "outcry.orders.v1.OrderService/PlaceOrder". */
  async call(method, request = {}) {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), ANSWER_WITHIN);
    try {
      for await (const answer of this.stream(method, request, limit.signal)) return answer;
      throw new CallError("INTERNAL", "an answer without a message");
    } catch (error) {
      if (limit.signal.aborted) throw new CallError("DEADLINE_EXCEEDED", "no answer in ten seconds");
      throw error;
    } finally {
      clearTimeout(timer);
      limit.abort();
    }
  }

  /** The answers of a method, as they come. Ends with an error when the stream does. */
  async *stream(method, request, signal) {
    const { takes, gives } = this.methods[method];
    const message = this.wire.encode(takes, request);
    const body = new Uint8Array(HEAD + message.length);
    new DataView(body.buffer).setUint32(1, message.length);
    body.set(message, HEAD);
    const headers = { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" };
    const token = await this.token();
    if (token) headers.authorization = `Bearer ${token}`;
    let response;
    try {
      response = await fetch(`/${method}`, { method: "POST", headers, body, signal });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new CallError("UNAVAILABLE", "the platform cannot be reached");
    }
    // An answer that is an error from the start has its end in the headers.
    this.#ended(response.headers);
    if (!response.ok) throw new CallError("UNAVAILABLE", `answered with ${response.status}`);
    for await (const [kind, frame] of frames(response.body)) {
      if (kind & TRAILERS) {
        this.#ended(new Headers(pairs(new TextDecoder().decode(frame))));
        return;
      }
      yield this.wire.decode(gives, frame);
    }
    if (!signal?.aborted) throw new CallError("UNAVAILABLE", "the answer was cut off");
  }

  /** Throws what the end of an answer says, unless it says that all is well or nothing yet. */
  #ended(headers) {
    const status = headers.get("grpc-status");
    if (status === null || status === "0") return;
    const text = headers.get("grpc-message") ?? "";
    throw new CallError(CODES[Number(status)] ?? "UNKNOWN", decodeURIComponent(text), {
      details: this.#details(headers.get("grpc-status-details-bin")),
      correlationId: headers.get("outcry-correlation-id") ?? "",
    });
  }

  #details(text) {
    if (!text) return [];
    try {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      return this.wire.decode("google.rpc.Status", bytes).details ?? [];
    } catch {
      // An error whose details cannot be read is still that error.
      return [];
    }
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
