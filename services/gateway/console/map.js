// The map: services, the topics they publish and who consumes them, with events flowing along.

import { drawing, element, panel, perFrame } from "./element.js";
import { Feed } from "./feed.js";
import { problem } from "./problem.js";
import { flows } from "./standing.js";
import { tint } from "./tints.js";
import { amount, count } from "./words.js";

const EVENT_LOG = "outcry.eventlog.v1.EventLogService";
const STATUS = "outcry.operations.v1.StatusService";

const WIDTH = 980;
const ROW = 25;
const TOP = 34;
const BOX = 190;
/** Left edges of publishers, topics and consumers. */
const COLUMNS = [0, 390, WIDTH - BOX];
const TOPIC = 190;
/** From the middle of a box with two lines to the middle of either. */
const SECOND = 9;

/** Dots that are on their way at once: more would only be a blur. */
const DOTS_MAX = 60;

/** How long a dot is on its way, in milliseconds. */
const FLIGHT = 900;

/** How often the counts are drawn, in milliseconds. */
const COUNTED_EVERY = 200;

/** How often rates are told, in milliseconds. */
const RATE_EVERY = 1000;

/** Shows the map; events flow for those who are signed in. */
export async function mapView(main, context) {
  const { calls, session, signal } = context;
  main.append(element("h1.unseen", {}, "Map"));
  let types;
  try {
    types = (await calls.call(`${EVENT_LOG}/ListEventTypes`)).eventTypes ?? [];
  } catch (error) {
    if (!signal.aborted) main.append(problem(error, { again: () => location.reload() }));
    return;
  }
  if (signal.aborted) return;
  const badge = element("span.live");
  const total = element("span.quiet.number");
  const drawn = new Drawn(types.filter(({ supersededBy }) => !supersededBy));
  const words = session.user
    ? session.operates
      ? "Every event of the platform, as it is archived; rates and what waits as services count them."
      : "Events about you, as they are archived."
    : "Sign in to see events flow.";
  main.append(
    panel(
      "Services and topics",
      { id: "map", aside: [total, badge] },
      element("p.quiet.small", {}, words),
      drawn.node,
    ),
  );
  if (!session.user) return;
  let position;
  new Feed(calls, `${EVENT_LOG}/Subscribe`, {
    signal,
    badge,
    request: () => (position ? { afterPosition: position } : { fromNow: true }),
    take({ logged }) {
      position = logged.position;
      drawn.flow(logged.event.eventType);
    },
    failed: (error) => main.prepend(problem(error)),
  });
  if (session.operates)
    new Feed(calls, `${STATUS}/WatchStatus`, {
      signal,
      request: () => ({}),
      take: (picture) => drawn.stand(flows(picture)),
      failed: (error) => main.prepend(problem(error)),
    });
  const timer = setInterval(() => (total.textContent = `${count(drawn.tick())} /s`), RATE_EVERY);
  signal.addEventListener("abort", () => clearInterval(timer));
}

class Drawn {
  #topics = new Map();
  /** Where the numbers of publishers and of groups are, by their names. */
  #publishers = new Map();
  #consumers = new Map();
  #dots = 0;
  #layer = drawing("g");
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  #changed = perFrame(() => this.#tell(), COUNTED_EVERY);

  constructor(types) {
    const sorted = types.toSorted((a, b) =>
      a.owner === b.owner ? (a.topic < b.topic ? -1 : 1) : a.owner < b.owner ? -1 : 1,
    );
    const height = TOP + ROW * sorted.length + 10;
    const owners = [...new Set(sorted.map(({ owner }) => owner))];
    const groups = [...new Set(sorted.flatMap(({ consumers = [] }) => consumers))].sort();
    // A publisher is beside the middle of its topics, consumers are spread evenly.
    const ownerY = new Map(
      owners.map((owner) => {
        const places = sorted.flatMap((type, index) => (type.owner === owner ? [index] : []));
        return [owner, TOP + ROW * ((places[0] + places.at(-1)) / 2 + 0.5)];
      }),
    );
    const groupY = new Map(
      groups.map((group, index) => [group, TOP + ((height - TOP) / groups.length) * (index + 0.5)]),
    );
    const nodes = [];
    const edges = [];
    sorted.forEach(({ topic, owner, consumers = [] }, index) => {
      const y = TOP + ROW * (index + 0.5);
      const paths = [curve(COLUMNS[0] + BOX, ownerY.get(owner), COLUMNS[1], y)];
      for (const group of consumers)
        paths.push(curve(COLUMNS[1] + TOPIC, y, COLUMNS[2], groupY.get(group)));
      const lines = paths.map((d) => drawing(`path.edge.${tint(owner)}`, { d }));
      edges.push(...lines);
      const number = drawing("text.map-count", {
        x: COLUMNS[1] + TOPIC - 8,
        y: y + 4,
        "text-anchor": "end",
      });
      nodes.push(
        drawing(
          "a",
          { href: `#/catalog/${topic}` },
          drawing("rect.map-topic", { x: COLUMNS[1], y: y - 10, width: TOPIC, height: 20, rx: 4 }),
          drawing("text", { x: COLUMNS[1] + 8, y: y + 4 }, topic),
          number,
        ),
      );
      this.#topics.set(topic, { lines, paths, number, tint: tint(owner), all: 0, fresh: 0 });
    });
    for (const [owner, y] of ownerY) {
      const number = numberAt(COLUMNS[0], y);
      this.#publishers.set(owner, number);
      nodes.push(...boxed(COLUMNS[0], y, owner, tint(owner)), number);
    }
    for (const [group, y] of groupY) {
      // What waits and what is parked needs a line of its own.
      const number = numberAt(COLUMNS[2], y + SECOND);
      this.#consumers.set(group, number);
      const colour = tint(group.split(/[.:/]/)[0]);
      nodes.push(...boxed(COLUMNS[2], y, group, colour, SECOND), number);
    }
    const heads = [
      ["Publish", COLUMNS[0]],
      ["Topics", COLUMNS[1]],
      ["Consume", COLUMNS[2]],
    ].map(([text, x]) => drawing("text.map-head", { x, y: 16 }, text));
    const svg = drawing(
      "svg",
      {
        // With room for the lines around the outermost boxes.
        viewBox: `-2 0 ${WIDTH + 4} ${height}`,
        width: WIDTH,
        height,
        role: "group",
        "aria-label": `${amount(owners.length, "service")}, ${amount(sorted.length, "topic")}, ${amount(groups.length, "consumer group")}`,
      },
      edges,
      this.#layer,
      heads,
      nodes,
    );
    this.node = element("div.map", { tabindex: "0", role: "region", "aria-label": "The map" }, svg);
  }

  /** One event goes its ways. */
  flow(topic) {
    const known = this.#topics.get(topic);
    if (!known) return;
    known.all += 1;
    known.fresh += 1;
    this.#changed();
    if (this.#still.matches || document.hidden) return;
    this.#send(known, known.paths[0], 0);
    known.paths.slice(1).forEach((path) => this.#send(known, path, FLIGHT));
  }

  #send({ tint: colour }, path, delay) {
    if (this.#dots >= DOTS_MAX) return;
    this.#dots += 1;
    const dot = drawing(`circle.flying.${colour}`, { r: 3.5 });
    dot.style.setProperty("offset-path", `path("${path}")`);
    this.#layer.append(dot);
    const flight = dot.animate(
      [
        { offsetDistance: "0%", opacity: 1 },
        { offsetDistance: "100%", opacity: 1 },
      ],
      { duration: FLIGHT, delay, easing: "ease-in-out" },
    );
    const landed = () => {
      dot.remove();
      this.#dots -= 1;
    };
    flight.finished.then(landed, landed);
  }

  /** Tells rates anew; how many events there were since the last time. */
  tick() {
    let all = 0;
    for (const topic of this.#topics.values()) {
      all += topic.fresh;
      for (const line of topic.lines)
        line.style.setProperty("--heat", String(Math.min(Math.log10(1 + topic.fresh * 3), 2)));
      topic.fresh = 0;
    }
    return all;
  }

  /** Tells how services publish and groups keep up, as they say themselves. */
  stand({ publishers, consumers }) {
    for (const [all, shown] of [
      [publishers, this.#publishers],
      [consumers, this.#consumers],
    ]) {
      for (const [name, { text, state }] of all) {
        const number = shown.get(name);
        if (!number) continue;
        if (number.textContent !== text) number.textContent = text;
        number.classList.toggle("late", state === "late");
        number.classList.toggle("stuck", state === "stuck");
      }
    }
  }

  #tell() {
    for (const { number, all } of this.#topics.values()) {
      if (all > 0) number.textContent = count(all);
    }
  }
}

function curve(x1, y1, x2, y2) {
  const half = (x1 + x2) / 2;
  return `M${x1} ${y1}C${half} ${y1} ${half} ${y2} ${x2} ${y2}`;
}

/** A box with a name in it, and where it is wanted with room for a line below. */
function boxed(x, y, text, colour, below = 0) {
  const half = 12 + below;
  return [
    drawing(`rect.map-service.${colour}`, { x, y: y - half, width: BOX, height: half * 2, rx: 6 }),
    drawing("text.map-name", { x: x + 12, y: y + 4 - below }, text),
  ];
}

/** A number at the right end of a box. */
function numberAt(x, y) {
  return drawing("text.map-count", { x: x + BOX - 10, y: y + 4, "text-anchor": "end" });
}
