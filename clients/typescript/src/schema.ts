import { createRegistry, type DescMessage, type Registry } from "@bufbuild/protobuf";
import { events } from "./gen/catalog.js";
import { files } from "./gen/files.js";

/** What the catalog says of an event. */
export interface EventType {
  readonly topic: string;
  readonly owner: string;
  /** Major version of the event's contract. */
  readonly version: number;
  /** Name of its message, for example `outcry.orders.v1.OrderFilledEvent`. */
  readonly fullName: string;
  /** The contract file it is in. */
  readonly file: string;
  /** Hash of that file and all it imports: equal when two programs have the same schema. */
  readonly fingerprint: string;
}

/** Every message of the contract, by name. */
export const registry: Registry = createRegistry(...files);

const eventTypes = new Map<string, EventType>(events.map((event) => [event.fullName, event]));

/** Every event of the contract this package was built from. */
export function allEventTypes(): readonly EventType[] {
  return events;
}

/** The name at the end of a type URL. */
export function nameOfTypeUrl(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
}

/** The event with this message name and its description; none if the package does not know it. */
export function findEvent(fullName: string): { type: EventType; desc: DescMessage } | undefined {
  const type = eventTypes.get(fullName);
  const desc = registry.getMessage(fullName);
  return type && desc && { type, desc };
}

/** What a schema header says next to the package's own catalog. */
export type SchemaComparison = "same" | "differs" | "unknown";

/** Compares the fingerprint that came with an event with the one of its type here. */
export function compareSchema(
  header: string | undefined,
  own: EventType | undefined,
): SchemaComparison {
  if (header === undefined) return "unknown";
  return header === own?.fingerprint ? "same" : "differs";
}
