// One event in full: its envelope in words, and its payload as it is.

import { element } from "./element.js";
import { copier } from "./problem.js";
import { date } from "./words.js";

/** What the envelope says, in the order it is read. */
const FACTS = [
  ["eventType", "Topic"],
  ["source", "Written by"],
  ["actor", "Actor"],
  ["occurredAt", "Happened"],
  ["recordedAt", "Recorded"],
  ["aggregateType", "Aggregate"],
  ["aggregateId", "Aggregate id"],
  ["aggregateSequence", "Sequence"],
  ["partitionKey", "Key"],
  ["eventId", "Event id"],
  ["correlationId", "Flow"],
  ["causationId", "Caused by"],
  ["traceparent", "Trace"],
  ["schemaVersion", "Schema version"],
];

/** Shows an event. */
export function inspected(event, position) {
  const facts = FACTS.filter(([key]) => event[key] !== undefined).map(([key, name]) => {
    const value = key.endsWith("At")
      ? `${date(event[key])} ${event[key].slice(19)}`
      : String(event[key]);
    const shown =
      key === "correlationId"
        ? element("a", { href: `#/story/${value}` }, element("code", {}, value))
        : element("code", {}, value);
    return element("div", {}, element("dt", {}, name), element("dd", {}, shown));
  });
  return element(
    "div.inspected",
    {},
    element(
      "h3",
      {},
      event.eventType,
      position && element("span.quiet.small", {}, ` at ${position}`),
    ),
    event.payload && payload(event.payload),
    element(
      "details",
      { open: !event.payload },
      element("summary", {}, "Envelope"),
      element("dl.facts.tall", {}, facts),
    ),
  );
}

/** Shows a message as JSON with its parts in colours. */
export function payload(message) {
  const { "@type": type, ...rest } = message ?? {};
  const name = (type ?? "").slice((type ?? "").lastIndexOf("/") + 1);
  const text = JSON.stringify(rest, null, 2);
  return element(
    "div.payload",
    {},
    element(
      "div.payload-head",
      {},
      name && element("a", { href: `#/catalog/${name}` }, name),
      copier(text),
    ),
    element("pre", { tabindex: "0", role: "region", "aria-label": "Payload" }, coloured(text)),
  );
}

/** JSON with names, texts and numbers marked. */
export function coloured(text) {
  const found = [];
  let at = 0;
  for (const match of text.matchAll(
    /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\btrue\b|\bfalse\b|\bnull\b/g,
  )) {
    found.push(text.slice(at, match.index));
    const kind = match[1] ? (match[2] ? "json-name" : "json-text") : "json-value";
    found.push(element(`span.${kind}`, {}, match[1] ?? match[0]), match[2] ?? "");
    at = match.index + match[0].length;
  }
  found.push(text.slice(at));
  return found;
}
