import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Violation } from "./rules.js";

/** What a call was refused with. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  /** gRPC's code in its own spelling, for example `INVALID_ARGUMENT`. */
  readonly code: string;
  /** The platform's word for it, for example `RATE_LIMITED`; empty when it did not answer. */
  readonly reason: string;
  /** The fields at fault, of bad input. */
  readonly violations: readonly Violation[];
  /** How long the platform asks to wait before the next attempt, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  private constructor(cause: ConnectError) {
    super(cause.rawMessage, { cause });
    const details = readDetails(cause);
    this.code = codeName(cause.code);
    this.reason = details.reason;
    this.violations = details.violations;
    this.retryAfterMs = details.retryAfterMs;
  }

  /** Of whatever a call has thrown. */
  static from(error: unknown): Refusal {
    return error instanceof Refusal ? error : new Refusal(ConnectError.from(error));
  }
}

/** `InvalidArgument` as `INVALID_ARGUMENT`; the one name that is spelled otherwise is gRPC's own. */
function codeName(code: Code): string {
  if (code === Code.Canceled) return "CANCELLED";
  return Code[code].replace(/(?!^)([A-Z])/g, "_$1").toUpperCase();
}

interface Details {
  reason: string;
  violations: Violation[];
  retryAfterMs: number | undefined;
}

/** Reads `google.rpc`'s error details, of which three are used. */
function readDetails(error: ConnectError): Details {
  const found: Details = { reason: "", violations: [], retryAfterMs: undefined };
  for (const detail of error.details) {
    // The other kind is what a server of this library would send.
    if (!("type" in detail)) continue;
    const { type, value } = detail;
    try {
      if (type === "google.rpc.ErrorInfo") {
        found.reason = textField(value, 1);
      } else if (type === "google.rpc.BadRequest") {
        found.violations = subMessages(value, 1).map((one) => ({
          field: textField(one, 1),
          rule: textField(one, 3) || textField(one, 2),
        }));
      } else if (type === "google.rpc.RetryInfo") {
        const [delay = new Uint8Array()] = subMessages(value, 1);
        const { seconds, nanos } = fromBinary(DurationSchema, delay);
        found.retryAfterMs = Number(seconds) * 1000 + nanos / 1e6;
      }
    } catch {
      // A detail that cannot be read takes nothing away from the code.
    }
  }
  return found;
}

/** The fields of this number that have a length. */
function subMessages(bytes: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(bytes);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === wanted) found.push(reader.bytes());
    else reader.skip(wireType);
  }
  return found;
}

function textField(bytes: Uint8Array, wanted: number): string {
  return new TextDecoder().decode(subMessages(bytes, wanted).at(-1));
}
