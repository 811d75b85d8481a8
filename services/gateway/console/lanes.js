// A flow as a drawing: a lane for each service, events on them, and lines from cause to effect.

import { drawing, element } from "./element.js";
import { archived, cast } from "./flow.js";
import { tint } from "./tints.js";
import { span } from "./words.js";

const LANE = 54;
const STEP = 66;
const LEFT = 112;
const TOP = 26;

/** Steps that are drawn: further ones are in the list only. */
export const DRAWN_MAX = 200;

/** Draws the steps. `picked` is given the place of one. */
export function lanes(found, picked) {
  const services = cast(found);
  // From left to right in the order they were archived, so that lines never go backwards.
  const order = archived(found)
    .slice(0, DRAWN_MAX)
    .map((place) => ({ step: found[place], place }));
  const x = new Map(order.map(({ place }, index) => [place, LEFT + STEP * (index + 0.5)]));
  const y = (service) => TOP + LANE * (services.indexOf(service) + 0.5);
  const width = LEFT + STEP * order.length + 20;
  const height = TOP + LANE * services.length + 8;
  const rows = services.flatMap((service) => [
    drawing("line.lane", { x1: LEFT - 8, x2: width, y1: y(service), y2: y(service) }),
    drawing("text.lane-name", { x: 8, y: y(service) + 4 }, service),
  ]);
  const lines = order
    .filter(({ step }) => x.has(step.parent))
    .map(({ step, place }) =>
      line(x.get(step.parent), y(found[step.parent].service), x.get(place), y(step.service)),
    );
  const dots = order.map(({ step, place }) => {
    const pick = () => picked(place);
    const words = step.command
      ? `The command, by ${step.event.actor || "nobody named"}`
      : `${step.event.eventType} by ${step.service}, ${span(step.at)} after the first`;
    const [cx, cy] = [x.get(place), y(step.service)];
    return drawing(
      `g.dot.${tint(step.service)}`,
      {
        role: "button",
        tabindex: "0",
        "aria-label": words,
        "data-place": place,
        onclick: pick,
        onkeydown: (event) =>
          (event.key === "Enter" || event.key === " ") && (event.preventDefault(), pick()),
      },
      drawing("title", {}, words),
      drawing("circle.reach", { cx, cy, r: 12 }),
      step.command
        ? drawing("rect.mark", { x: cx - 6.5, y: cy - 6.5, width: 13, height: 13, rx: 3 })
        : drawing("circle.mark", { cx, cy, r: 7 }),
    );
  });
  // Dots have names of their own, which say more.
  const words = order.flatMap(({ step, place }) => {
    const [cx, cy] = [x.get(place), y(step.service)];
    return [
      drawing(
        "text.took",
        { x: cx, y: cy - 13, "text-anchor": "middle" },
        step.command || step.at === 0 ? "" : `+${span(step.took)}`,
      ),
      drawing(
        "text.what",
        { x: cx, y: cy + 21, "text-anchor": "middle" },
        step.event.eventType.split(".")[1] ?? "command",
      ),
    ];
  });
  const svg = drawing(
    "svg",
    {
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "group",
      "aria-label": "Events by service, causes joined to effects",
    },
    rows,
    lines,
    drawing("g", { "aria-hidden": "true" }, words),
    dots,
  );
  return element(
    "div.lanes",
    { tabindex: "0", role: "region", "aria-label": "The flow as a drawing" },
    svg,
  );
}

function line(x1, y1, x2, y2) {
  const bend = Math.min((x2 - x1) / 2, 60);
  return drawing("path.cause", {
    d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
  });
}
