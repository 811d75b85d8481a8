// The live tail: events of the platform as they are archived.

import { element, panel, perFrame } from "./element.js";
import { Feed } from "./feed.js";
import { inspected } from "./inspector.js";
import { problem } from "./problem.js";
import { Table } from "./table.js";
import { clock, count, shortId } from "./words.js";

const SUBSCRIBE = "outcry.eventlog.v1.EventLogService/Subscribe";

/** Events that are kept until the oldest are let go, and those that are shown. */
const KEPT_MAX = 1000;
const SHOWN_MAX = 100;

/** How often the list is drawn, in milliseconds: nobody reads faster, and drawing costs more than reading. */
const DRAWN_EVERY = 150;

/** How many patterns a subscription may have. */
const PATTERNS_MAX = 64;

/** How often the rate is told, in milliseconds. */
const RATE_EVERY = 1000;

/** Shows the tail, with the patterns of the address. */
export function eventsView(main, context) {
  const { calls, signal, rest, session } = context;
  const wanted = rest[0] ?? "";
  const badge = element("span.live");
  const rate = element("span.quiet.number");
  const input = element("input", {
    id: "patterns",
    value: wanted,
    placeholder: "order.*, trade.executed",
    autocomplete: "off",
    spellcheck: "false",
  });
  const pause = element("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const clear = element("button", { type: "button" }, "Clear");
  const form = element(
    "form.filter",
    { role: "search" },
    element("label", { for: "patterns" }, "Topics"),
    input,
    element("button", { type: "submit" }, "Filter"),
    pause,
    clear,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    location.hash = text ? `#/events/${encodeURIComponent(text)}` : "#/events";
  });
  const inspector = element(
    "div.inspector",
    {},
    element("p.empty", {}, "Choose an event to see all of it."),
  );
  let events = [];
  let frozen = null;
  let all = 0;
  let position;
  const table = eventTable((logged) => {
    inspector.replaceChildren(inspected(logged.event, logged.position));
    table.choose(logged.position);
  });
  const draw = perFrame(() => {
    // What came meanwhile is told, and shown afterwards.
    pause.textContent = frozen ? `Go on (${count(all - frozen.all)} new)` : "Pause";
    table.show(frozen?.events ?? newest(events));
  }, DRAWN_EVERY);
  pause.addEventListener("click", () => {
    frozen = frozen ? null : { events: newest(events), all };
    pause.setAttribute("aria-pressed", String(frozen !== null));
    draw();
  });
  clear.addEventListener("click", () => {
    events = [];
    if (frozen) frozen = { events: [], all };
    draw();
  });
  main.append(
    element("h1.unseen", {}, "Events"),
    element(
      "div.tail",
      {},
      panel(
        session.operates ? "Events of the platform" : "Events about you",
        { id: "events", aside: [rate, badge] },
        form,
        table.node,
      ),
      panel("Event", { id: "event" }, inspector),
    ),
  );
  draw();
  tellRate(rate, () => all, signal);
  new Feed(calls, SUBSCRIBE, {
    signal,
    badge,
    request: () => ({
      topics: patterns(wanted),
      ...(position ? { afterPosition: position } : { fromNow: true }),
    }),
    take({ logged }) {
      position = logged.position;
      all += 1;
      events.push(logged);
      if (events.length > KEPT_MAX) events = events.slice(-SHOWN_MAX);
      draw();
    },
    failed: (error) => table.node.prepend(problem(error)),
  });
}

/** Those that are shown, newest first. */
function newest(events) {
  return events.slice(-SHOWN_MAX).reverse();
}

/** "order.*, trade.executed" as patterns. */
export function patterns(text) {
  return text
    .split(/[\s,]+/)
    .filter(Boolean)
    .slice(0, PATTERNS_MAX);
}

function tellRate(node, all, signal) {
  let before = all();
  const timer = setInterval(() => {
    node.textContent = `${count(all() - before)} /s`;
    before = all();
  }, RATE_EVERY);
  signal.addEventListener("abort", () => clearInterval(timer));
}

function eventTable(picked) {
  return new Table({
    caption: "Events, newest first",
    key: ({ position }) => position,
    empty: "Nothing has happened since this was opened.",
    picked,
    columns: [
      {
        title: "Time",
        kind: "quiet",
        cell: ({ event }) => clock(event.occurredAt, { milliseconds: true }),
      },
      {
        title: "Topic",
        cell: (logged) =>
          element(
            "button.link",
            { type: "button", onclick: () => picked(logged) },
            logged.event.eventType,
          ),
        mark: ({ position }) => position,
      },
      { title: "By", cell: ({ event }) => event.source.slice(1) },
      {
        title: "Aggregate",
        kind: "quiet code",
        cell: ({ event }) =>
          `${event.aggregateType} ${shortId(event.aggregateId)} #${event.aggregateSequence}`,
      },
      {
        title: "Flow",
        mark: ({ event }) => event.correlationId,
        cell: ({ event }) =>
          element(
            "a.code",
            { href: `#/story/${event.correlationId}` },
            shortId(event.correlationId),
          ),
      },
    ],
  });
}
