import { fromBinary, type DescMessage, type Message } from "@bufbuild/protobuf";
import { EventEnvelopeSchema, type EventEnvelope } from "./gen/outcry/events/v1/envelope_pb.js";
import { brokenRules, sorted, type Violation } from "./rules.js";
import { compareSchema, findEvent, nameOfTypeUrl, type SchemaComparison } from "./schema.js";

/** Why an event is put aside. */
export type DeadReason =
  /** Not an envelope, or its payload is not what its type says. */
  | "UNREADABLE"
  /** A rule of the contract is broken. */
  | "INVALID"
  /** Its version is higher than this package knows. */
  | "NEWER_SCHEMA"
  /** The package does not know its type, and the consumer may not leave such events out. */
  | "UNKNOWN_TYPE";

/** What was found out about a message before anything is done with it. */
export interface Judgement {
  /** Empty when the message is not an envelope. */
  readonly eventId: string;
  readonly topic: string;
  /** Name of the payload's message. */
  readonly type: string;
  readonly schema: SchemaComparison;
  readonly envelope?: EventEnvelope;
  readonly verdict:
    | { readonly kind: "sound"; readonly desc: DescMessage; readonly payload: Message }
    | { readonly kind: "unknown-type" }
    | {
        readonly kind: "dead";
        readonly reason: DeadReason;
        readonly violations: readonly Violation[];
      };
}

/** Where the fields of a payload are. */
const PAYLOAD = "payload";

/**
 * Reads a body as an event and holds it against the contract. Nothing is assumed of the sender: the
 * type is the one the payload names, and envelope and payload must both keep every rule.
 */
export function judge(body: Uint8Array, schemaHeader: string | undefined): Judgement {
  const envelope = decoded(EventEnvelopeSchema, body) as EventEnvelope | undefined;
  const type = nameOfTypeUrl(envelope?.payload?.typeUrl ?? "");
  const event = findEvent(type);
  const seen = {
    eventId: envelope?.eventId ?? "",
    topic: envelope?.eventType ?? "",
    type,
    schema: compareSchema(schemaHeader, event?.type),
    ...(envelope && { envelope }),
  };
  const dead = (reason: DeadReason, violations: Violation[] = []): Judgement => ({
    ...seen,
    verdict: { kind: "dead", reason, violations },
  });
  if (!envelope) return dead("UNREADABLE");
  // The rules and fields of a later version are not known here, so they cannot be judged.
  if (event && envelope.schemaVersion > event.type.version) return dead("NEWER_SCHEMA");
  const ofEnvelope = brokenRules(EventEnvelopeSchema, envelope);
  if (!event || !envelope.payload) {
    if (ofEnvelope.length > 0) return dead("INVALID", ofEnvelope);
    return { ...seen, verdict: { kind: "unknown-type" } };
  }
  const payload = decoded(event.desc, envelope.payload.value);
  if (!payload) return dead("UNREADABLE");
  const violations = sorted([...ofEnvelope, ...brokenRules(event.desc, payload, PAYLOAD)]);
  if (violations.length > 0) return dead("INVALID", violations);
  return { ...seen, verdict: { kind: "sound", desc: event.desc, payload } };
}

function decoded(desc: DescMessage, bytes: Uint8Array): Message | undefined {
  try {
    return fromBinary(desc, bytes);
  } catch {
    return undefined;
  }
}
