// One flow: what led to what, by whom, and how long each step took.

import { microseconds } from "./words.js";

/** Steps below each other that are told apart; deeper ones are shown as deep as this. */
const DEPTH_MAX = 12;

/**
 * The steps of a flow, causes before their effects and otherwise in the order they were archived.
 *
 * The first step is the command that began it, which is no event. Each step has `depth`, `parent` (its
 * place), `at` (microseconds since the first) and `took` (microseconds since its cause).
 */
export function steps(logged) {
  const known = new Map(logged.map((one) => [one.event.eventId, one]));
  const effects = new Map();
  for (const one of logged) {
    const cause =
      known.has(one.event.causationId) && one.event.causationId !== one.event.eventId
        ? one.event.causationId
        : "";
    if (!effects.has(cause)) effects.set(cause, []);
    effects.get(cause).push(one);
  }
  const first = Math.min(...logged.map(({ event }) => microseconds(event.occurredAt)));
  const found = [];
  const add = (one, depth, parent) => {
    const at = microseconds(one.event.occurredAt) - first;
    const place = found.length;
    const service = one.event.source.slice(1);
    found.push({
      ...one,
      service,
      depth: Math.min(depth, DEPTH_MAX),
      parent,
      at,
      took: at - found[parent].at,
    });
    return place;
  };
  // By hand and not by calls: a flow may be thousands of steps deep.
  if (logged.length > 0) found.push(command(logged[0].event));
  const open = (effects.get("") ?? []).toReversed().map((one) => ({ one, depth: 1, parent: 0 }));
  while (open.length > 0) {
    const { one, depth, parent } = open.pop();
    const place = add(one, depth, parent);
    for (const effect of (effects.get(one.event.eventId) ?? []).toReversed()) {
      open.push({ one: effect, depth: depth + 1, parent: place });
    }
  }
  return found;
}

/** The command that began a flow: no event, so that only its effects tell of it. */
function command({ actor = "", correlationId, occurredAt }) {
  const [kind, name = ""] = actor.split(":");
  const event = { eventType: "command", actor, correlationId, occurredAt };
  return {
    command: true,
    position: "0",
    event,
    service: kind === "user" || !kind ? "caller" : name,
    depth: 0,
    parent: -1,
    at: 0,
    took: 0,
  };
}

/** Places of the steps in the order they were archived. */
export function archived(found) {
  const places = found.map((_, place) => place);
  return places.sort((a, b) => Number(BigInt(found[a].position) - BigInt(found[b].position)));
}

/** Who takes part, in the order in which they come into the flow. */
export function cast(found) {
  return [...new Set(archived(found).map((place) => found[place].service))];
}

/** Names of services that consume an event, without the one that wrote it. */
export function readers(type, service) {
  const services = (type?.consumers ?? []).map((group) => group.split(/[.:/]/)[0]);
  return [...new Set(services)].filter((one) => one !== service);
}
