// A price chart of executions: candles with the shares traded below them.

import { drawing, element, perFrame } from "./element.js";
import { parts, plain, toNumber } from "./money.js";
import { clock, count } from "./words.js";

/** How long a candle may be, in seconds. */
const SPANS = [1, 5, 15, 60, 300, 900, 3600];

/** Candles that are shown at most: more would be thinner than their gaps. */
const CANDLES = 90;

/** Executions that are kept for it. */
const EXECUTIONS_MAX = 6000;

/** The drawing's own measures; the page scales them. */
const WIDTH = 800;
const HEIGHT = 340;
const RIGHT = 62;
const VOLUME = 56;
const FOOT = 20;
const PLOT = WIDTH - RIGHT;
const PRICES = HEIGHT - VOLUME - FOOT;

/** Shows the executions of one symbol. */
export class Chart {
  #executions = [];
  #span = 0;
  #candles = [];
  #from = 0;
  #at = -1;
  #svg = drawing("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", tabindex: "0",
  });
  #readout = element("p.readout.small", { "aria-live": "off" });
  #choice = element("div.segments", { role: "group", "aria-label": "Length of a candle" });
  /** Asks for a drawing before the next frame. */
  changed = perFrame(() => this.#draw());

  constructor() {
    this.controls = this.#choice;
    this.node = element("div.chart", {}, this.#readout, this.#svg);
    this.#svg.addEventListener("pointermove", (event) => {
      const box = this.#svg.getBoundingClientRect();
      this.#point(Math.floor((((event.clientX - box.left) / box.width) * WIDTH) / (PLOT / CANDLES)));
    });
    this.#svg.addEventListener("pointerleave", () => this.#point(-1));
    this.#svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.#readout.setAttribute("aria-live", "polite");
      this.#point(Math.min(Math.max((this.#at < 0 ? CANDLES : this.#at) + step, 0), CANDLES - 1));
    });
  }

  /** Begins with these executions, oldest first. */
  begin(executions) {
    this.#executions = [];
    for (const one of executions) this.#keep(one);
    this.#span = fitting(this.#executions);
    this.#showSpans();
    this.changed();
  }

  /** Adds one. */
  add(execution) {
    this.#keep(execution);
    if (this.#span === 0) {
      this.#span = SPANS[1];
      this.#showSpans();
    }
    this.changed();
  }

  #keep({ price, quantity, executedAt }) {
    const at = Date.parse(executedAt) / 1000;
    this.#executions.push({ at, price: parts(price), quantity: Number(quantity) });
    if (this.#executions.length > EXECUTIONS_MAX) this.#executions.splice(0, EXECUTIONS_MAX / 10);
  }

  #showSpans() {
    const buttons = SPANS.map((span) => {
      const onclick = () => {
        this.#span = span;
        this.#showSpans();
        this.changed();
      };
      const text = span < 60 ? `${span}s` : span < 3600 ? `${span / 60}m` : `${span / 3600}h`;
      return element("button", { type: "button", "aria-pressed": String(span === this.#span), onclick }, text);
    });
    this.#choice.replaceChildren(...buttons);
  }

  #draw() {
    const last = this.#executions.at(-1);
    if (!last) {
      this.#svg.replaceChildren(
        drawing("text", { x: PLOT / 2, y: HEIGHT / 2, "text-anchor": "middle" }, "No trades yet"),
      );
      this.#svg.setAttribute("aria-label", "Price chart: no trades yet");
      return;
    }
    this.#from = Math.floor(last.at / this.#span) - CANDLES + 1;
    this.#candles = candles(this.#executions, this.#from, this.#span);
    const shown = this.#candles.filter(Boolean);
    const low = Math.min(...shown.map((one) => toNumber(one.low)));
    const high = Math.max(...shown.map((one) => toNumber(one.high)));
    const margin = Math.max((high - low) * 0.08, high * 0.0005);
    const scale = { low: low - margin, high: high + margin };
    const y = (price) => PRICES * (1 - (price - scale.low) / (scale.high - scale.low));
    this.#svg.replaceChildren(...this.#axes(scale, y), ...this.#bodies(y, shown), ...this.#lastPrice(last, y), ...this.#cross());
    const words = `Price chart, ${this.#span} second candles: last ${plain(last.price)}, between ${plain(min(shown))} and ${plain(max(shown))}`;
    this.#svg.setAttribute("aria-label", `${words}. Arrow keys read single candles.`);
    this.#read();
  }

  #axes(scale, y) {
    const lines = steps(scale.low, scale.high, 5).map((price) => [
      drawing("line.grid", { x1: 0, x2: PLOT, y1: y(price), y2: y(price) }),
      drawing("text", { x: PLOT + 6, y: y(price) + 4 }, price.toFixed(2)),
    ]);
    const marks = [];
    for (let index = 15; index < CANDLES; index += 20) {
      const at = clock((this.#from + index) * this.#span * 1000);
      marks.push(drawing("text", { x: middle(index), y: HEIGHT - 5, "text-anchor": "middle" }, at));
    }
    return [...lines.flat(), ...marks];
  }

  #bodies(y, shown) {
    const most = Math.max(...shown.map((one) => one.quantity), 1);
    const half = PLOT / CANDLES / 2 - 1;
    const paths = { up: "", down: "" };
    this.#candles.forEach((one, index) => {
      if (!one) return;
      const [open, close] = [y(toNumber(one.open)), y(toNumber(one.close))];
      const x = middle(index);
      const [top, bottom] = [Math.min(open, close), Math.max(open, close, Math.min(open, close) + 1.2)];
      const tall = (one.quantity / most) * (VOLUME - 6);
      const path = `M${x} ${y(toNumber(one.high))}V${y(toNumber(one.low))}`
        + box(x - half, top, half * 2, bottom - top)
        + box(x - half, HEIGHT - FOOT - tall, half * 2, tall);
      paths[one.close < one.open ? "down" : "up"] += path;
    });
    return [drawing("path.up", { d: paths.up }), drawing("path.down", { d: paths.down })];
  }

  #lastPrice(last, y) {
    const at = y(toNumber(last.price));
    return [
      drawing("line.last", { x1: 0, x2: PLOT, y1: at, y2: at }),
      drawing("rect.last-box", { x: PLOT + 1, y: at - 9, width: RIGHT - 2, height: 18, rx: 3 }),
      drawing("text.last-text", { x: PLOT + 6, y: at + 4 }, toNumber(last.price).toFixed(2)),
    ];
  }

  #cross() {
    if (this.#at < 0) return [];
    return [drawing("line.cross", { x1: middle(this.#at), x2: middle(this.#at), y1: 0, y2: HEIGHT - FOOT })];
  }

  #point(index) {
    const at = index >= 0 && index < CANDLES ? index : -1;
    if (at === this.#at) return;
    this.#at = at;
    this.changed();
  }

  #read() {
    const at = this.#at < 0 ? this.#candles.length - 1 : this.#at;
    const one = this.#candles[at];
    const time = clock((this.#from + at) * this.#span * 1000);
    this.#readout.textContent = one
      ? `${time}  O ${plain(one.open)}  H ${plain(one.high)}  L ${plain(one.low)}  C ${plain(one.close)}  V ${count(one.quantity)}`
      : `${time}  no trades`;
  }
}

const middle = (index) => (index + 0.5) * (PLOT / CANDLES);
const box = (x, y, width, height) => `M${x} ${y}h${width}v${height}h${-width}z`;
const min = (shown) => shown.reduce((low, one) => (one.low < low ? one.low : low), shown[0].low);
const max = (shown) => shown.reduce((high, one) => (one.high > high ? one.high : high), shown[0].high);

/** The shortest candle with which the executions fit into the chart. */
function fitting(executions) {
  if (executions.length === 0) return 0;
  const length = executions.at(-1).at - executions[0].at;
  return SPANS.find((span) => span * CANDLES >= length) ?? SPANS.at(-1);
}

/** Executions by the candles they fall into. */
function candles(executions, from, span) {
  const found = Array(CANDLES).fill(undefined);
  for (const { at, price, quantity } of executions) {
    const index = Math.floor(at / span) - from;
    if (index < 0 || index >= CANDLES) continue;
    const one = (found[index] ??= { open: price, high: price, low: price, close: price, quantity: 0 });
    if (price > one.high) one.high = price;
    if (price < one.low) one.low = price;
    one.close = price;
    one.quantity += quantity;
  }
  return found;
}

/** Round numbers between two others, about so many. */
function steps(low, high, wanted) {
  const raw = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= raw) ?? raw;
  const found = [];
  for (let at = Math.ceil(low / step) * step; at < high; at += step) found.push(at);
  return found;
}
