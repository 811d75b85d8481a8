// A story: everything that came of one command, across all services, as it happens.

import { element, panel, perFrame } from "./element.js";
import { Feed } from "./feed.js";
import { cast, readers, steps } from "./flow.js";
import { inspected } from "./inspector.js";
import { DRAWN_MAX, lanes } from "./lanes.js";
import { problem } from "./problem.js";
import { Table } from "./table.js";
import { tint } from "./tints.js";
import { amount, choice, clock, isId, shortId, span, who } from "./words.js";

const EVENT_LOG = "outcry.eventlog.v1.EventLogService";
const ORDERS = "outcry.orders.v1.OrderService";

/** Orders whose stories are offered. */
const OFFERED = 20;

/**
 * When the last event of a flow is so old, it has come to rest, in milliseconds: what follows is read from
 * now on, and not all that has happened on the platform since then.
 */
const SETTLED_AFTER = 60_000;

/** How often a flow is drawn while it grows, in milliseconds. */
const DRAWN_EVERY = 100;

/** Events of one flow that are followed: as many as the platform shows of one. */
const EVENTS_MAX = 4000;

/** Shows the flow in the address, or offers some. */
export async function storyView(main, context) {
  const id = context.rest[0] ?? "";
  main.append(element("h1.unseen", {}, "Stories"));
  if (!isId(id)) {
    const stories = await offered(context);
    if (context.signal.aborted) return;
    main.append(
      element("div.narrow", {}, panel("Stories", { id: "stories" }, search(id), stories)),
    );
    return;
  }
  document.title = `Story ${shortId(id)} · Outcry`;
  try {
    const [{ events = [] }, { eventTypes = [] }] = await Promise.all([
      context.calls.call(`${EVENT_LOG}/Trace`, { correlationId: id }),
      context.calls.call(`${EVENT_LOG}/ListEventTypes`),
    ]);
    if (!context.signal.aborted)
      tell(main, context, id, events, new Map(eventTypes.map((type) => [type.topic, type])));
  } catch (error) {
    if (context.signal.aborted) return;
    main.append(
      element("div.narrow", {}, search(id), problem(error, { again: () => location.reload() })),
    );
  }
}

function search(id) {
  const input = element("input", {
    id: "correlation",
    value: id,
    placeholder: "correlation id",
    autocomplete: "off",
    spellcheck: "false",
  });
  const wrong = element("p.wrong", { role: "alert" });
  const form = element(
    "form.filter",
    { role: "search" },
    element("label", { for: "correlation" }, "Correlation id"),
    input,
    element("button.primary", { type: "submit" }, "Tell"),
    wrong,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    wrong.textContent = isId(text)
      ? ""
      : "A correlation id is a UUID, as orders, events and errors show it.";
    if (isId(text)) location.hash = `#/story/${text.toLowerCase()}`;
  });
  return form;
}

/** The stories of the newest orders: the caller's own. */
async function offered({ calls }) {
  try {
    const { orders = [] } = await calls.call(`${ORDERS}/ListOrders`, { page: { size: OFFERED } });
    if (orders.length === 0)
      return element("p.empty", {}, "Place an order, or follow the link of an event to its flow.");
    const items = orders.map(({ terms, status, createdAt, correlationId }) =>
      element(
        "li",
        {},
        element(
          "a",
          { href: `#/story/${correlationId}` },
          `${choice(terms.side, "SIDE_")} ${terms.quantity} ${terms.symbol}`,
        ),
        element("span.quiet", {}, ` ${choice(status, "ORDER_STATUS_")}, ${clock(createdAt)}`),
      ),
    );
    return element("ul.plain", {}, items);
  } catch (error) {
    return problem(error);
  }
}

function tell(main, { calls, session, signal }, id, events, types) {
  const badge = element("span.live");
  const summary = element("p.summary", { role: "status" });
  const scene = element("div.scene");
  const inspector = element(
    "div.inspector",
    {},
    element("p.empty", {}, "Choose an event to see all of it."),
  );
  let found = [];
  let chosen;
  const pick = (place) => {
    const step = found[place];
    chosen = step.position;
    inspector.replaceChildren(
      step.command ? inspected(step.event) : inspected(step.event, step.position),
    );
    showChosen();
  };
  const showChosen = () => {
    table.choose(chosen);
    for (const dot of scene.querySelectorAll(".dot"))
      dot.classList.toggle("chosen", found[dot.dataset.place]?.position === chosen);
  };
  const table = stepTable(types, (step) =>
    pick(found.findIndex(({ position }) => position === step.position)),
  );
  const draw = perFrame(() => {
    found = steps(events);
    summary.replaceChildren(...summarised(found, session.user));
    scene.replaceChildren(
      found.length > 0 ? lanes(found, pick) : "",
      found.length > DRAWN_MAX
        ? element(
            "p.quiet.small",
            {},
            `The drawing has the first ${DRAWN_MAX} events; the list has all.`,
          )
        : "",
    );
    table.show(found);
    showChosen();
  }, DRAWN_EVERY);
  main.append(
    element(
      "div.story",
      {},
      panel("Flow", { id: "flow", aside: [element("code.small", {}, id), badge] }, summary, scene),
      panel("Causes and effects", { id: "steps" }, table.node),
      panel("Event", { id: "event" }, inspector),
    ),
  );
  draw();
  let last = events.at(-1)?.position;
  let fresh = last && Date.now() - Date.parse(events.at(-1).event.occurredAt) < SETTLED_AFTER;
  const seen = new Set(events.map(({ position }) => position));
  new Feed(calls, `${EVENT_LOG}/Subscribe`, {
    signal,
    badge,
    request: () => (last && fresh ? { afterPosition: last } : { fromNow: true }),
    take({ logged }) {
      last = logged.position;
      fresh = true;
      if (
        logged.event.correlationId !== id ||
        seen.has(logged.position) ||
        events.length >= EVENTS_MAX
      )
        return;
      seen.add(logged.position);
      events.push(logged);
      draw();
    },
    failed: (error) => main.prepend(problem(error)),
  });
}

function summarised(found, user) {
  if (found.length === 0)
    return [
      "Nothing of this flow is archived yet, or it is not about you. New events appear here.",
    ];
  const events = found.slice(1);
  const services = cast(events);
  const length = Math.max(...found.map(({ at }) => at));
  const first = found[0].event;
  return [
    element("b", {}, amount(events.length, "event")),
    ` from ${amount(services.length, "service")} in `,
    element("b", {}, span(length)),
    `, begun at ${clock(first.occurredAt, { milliseconds: true })} by ${who(first.actor, user)}. `,
    ...services.flatMap((service) => [
      element(`span.pill.service.${tint(service)}`, {}, service),
      " ",
    ]),
  ];
}

function stepTable(types, picked) {
  return new Table({
    caption: "Steps of the flow, effects below their causes",
    key: ({ position }) => position,
    empty: "No events yet.",
    picked,
    columns: [
      {
        title: "Event",
        mark: ({ depth }) => depth,
        cell: (step) => {
          const button = element(
            "button.link",
            { type: "button", onclick: () => picked(step) },
            step.event.eventType,
          );
          const holder = element(
            "span.branch",
            {},
            step.depth > 0 && element("span.quiet", { "aria-hidden": "true" }, "└"),
            button,
          );
          holder.style.setProperty("--depth", String(step.depth));
          return holder;
        },
      },
      {
        title: "Written by",
        mark: ({ service }) => service,
        cell: ({ service }) => element(`span.pill.service.${tint(service)}`, {}, service),
      },
      {
        title: "Since start",
        kind: "number",
        cell: ({ at, command }) => (command ? "–" : span(at)),
      },
      {
        title: "Since cause",
        kind: "number",
        cell: ({ took, parent }) => (parent < 1 ? "–" : span(took)),
      },
      {
        title: "Consumed by",
        kind: "quiet wide",
        cell: ({ event, service }) => readers(types.get(event.eventType), service).join(", "),
      },
    ],
  });
}
