// A price chart of executions: candles with the shares traded below them.

import { drawing, element, perFrame } from "./element.js";
import { parts, plain, toNumber } from "./money.js";
import { clock, count } from "./words.js";

/** How long a candle may be, in seconds. */
const SPANS = [1, 5, 15, 60, 300, 900, 3600];

/** Candles that are shown at most: more would be thinner than their gaps. */
const CANDLES = 90;

/** How often it is drawn, in milliseconds: often enough for a pointer that moves over it. */
const DRAWN_EVERY = 40;

/** Executions that are kept for it. */
const EXECUTIONS_MAX = 6000;

/** Room for prices at the right, times at the foot, and the part of the height that volumes have. */
const RIGHT = 62;
const FOOT = 20;
const VOLUME = 0.17;

/** Shows the executions of one symbol. */
export class Chart {
  #executions = [];
  #span = 0;
  #candles = [];
  #from = 0;
  #at = -1;
  /** The drawing's size: of the page's own pixels, so that its texts are not stretched. */
  #width = 800;
  #height = 340;
  #svg = drawing("svg", { role: "img", tabindex: "0" });
  #readout = element("p.readout.small", { "aria-live": "off" });
  #choice = element("div.segments", { role: "group", "aria-label": "Length of a candle" });
  /** Asks for a drawing before the next frame. */
  changed = perFrame(() => this.#draw(), DRAWN_EVERY);

  constructor() {
    this.controls = this.#choice;
    this.node = element("div.chart", {}, this.#readout, element("div.chart-room", {}, this.#svg));
    new ResizeObserver(([{ contentRect }]) => {
      this.#width = Math.max(contentRect.width, RIGHT * 2);
      this.#height = Math.max(contentRect.height, FOOT * 5);
      this.#svg.setAttribute("viewBox", `0 0 ${this.#width} ${this.#height}`);
      this.changed();
    }).observe(this.#svg.parentNode);
    this.#svg.addEventListener("pointermove", (event) => {
      const box = this.#svg.getBoundingClientRect();
      this.#point(Math.floor((event.clientX - box.left) / (this.#plot / CANDLES)));
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

  /** How wide and how high the prices are. */
  get #plot() {
    return this.#width - RIGHT;
  }

  get #prices() {
    return (this.#height - FOOT) * (1 - VOLUME);
  }

  #middle(index) {
    return (index + 0.5) * (this.#plot / CANDLES);
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
      return element(
        "button",
        { type: "button", "aria-pressed": String(span === this.#span), onclick },
        text,
      );
    });
    this.#choice.replaceChildren(...buttons);
  }

  #draw() {
    const last = this.#executions.at(-1);
    if (!last) {
      this.#svg.replaceChildren(
        drawing(
          "text",
          { x: this.#plot / 2, y: this.#height / 2, "text-anchor": "middle" },
          "No trades yet",
        ),
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
    const y = (price) => this.#prices * (1 - (price - scale.low) / (scale.high - scale.low));
    this.#svg.replaceChildren(
      ...this.#axes(scale, y, y(toNumber(last.price))),
      ...this.#bodies(y, shown),
      ...this.#lastPrice(last, y),
      ...this.#cross(),
    );
    const words = `Price chart, ${this.#span} second candles: last ${plain(last.price)}, between ${plain(min(shown))} and ${plain(max(shown))}`;
    this.#svg.setAttribute("aria-label", `${words}. Arrow keys read single candles.`);
    this.#read();
  }

  #axes(scale, y, taken) {
    const lines = steps(scale.low, scale.high, 7).map((price) =>
      [
        drawing("line.grid", { x1: 0, x2: this.#plot, y1: y(price), y2: y(price) }),
        // Not below the last price, which is written there already.
        Math.abs(y(price) - taken) > 16 &&
          drawing("text", { x: this.#plot + 6, y: y(price) + 4 }, price.toFixed(2)),
      ].filter(Boolean),
    );
    const marks = [];
    const every = this.#width < 480 ? 30 : 18;
    for (let index = 9; index < CANDLES; index += every) {
      const at = clock((this.#from + index) * this.#span * 1000);
      marks.push(
        drawing(
          "text",
          { x: this.#middle(index), y: this.#height - 5, "text-anchor": "middle" },
          at,
        ),
      );
    }
    return [...lines.flat(), ...marks];
  }

  #bodies(y, shown) {
    const most = Math.max(...shown.map((one) => one.quantity), 1);
    const half = Math.max(this.#plot / CANDLES / 2 - 1, 0.8);
    const foot = this.#height - FOOT;
    const room = foot - this.#prices - 6;
    const paths = { up: "", down: "" };
    this.#candles.forEach((one, index) => {
      if (!one) return;
      const [open, close] = [y(toNumber(one.open)), y(toNumber(one.close))];
      const x = this.#middle(index);
      const [top, bottom] = [
        Math.min(open, close),
        Math.max(open, close, Math.min(open, close) + 1.2),
      ];
      const tall = (one.quantity / most) * room;
      const path =
        `M${x} ${y(toNumber(one.high))}V${y(toNumber(one.low))}` +
        box(x - half, top, half * 2, bottom - top) +
        box(x - half, foot - tall, half * 2, tall);
      paths[one.close < one.open ? "down" : "up"] += path;
    });
    return [drawing("path.up", { d: paths.up }), drawing("path.down", { d: paths.down })];
  }

  #lastPrice(last, y) {
    const at = y(toNumber(last.price));
    return [
      drawing("line.last", { x1: 0, x2: this.#plot, y1: at, y2: at }),
      drawing("rect.last-box", {
        x: this.#plot + 1,
        y: at - 9,
        width: RIGHT - 2,
        height: 18,
        rx: 3,
      }),
      drawing("text.last-text", { x: this.#plot + 6, y: at + 4 }, toNumber(last.price).toFixed(2)),
    ];
  }

  #cross() {
    if (this.#at < 0) return [];
    return [
      drawing("line.cross", {
        x1: this.#middle(this.#at),
        x2: this.#middle(this.#at),
        y1: 0,
        y2: this.#height - FOOT,
      }),
    ];
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

const box = (x, y, width, height) => `M${x} ${y}h${width}v${height}h${-width}z`;
const min = (shown) => shown.reduce((low, one) => (one.low < low ? one.low : low), shown[0].low);
const max = (shown) =>
  shown.reduce((high, one) => (one.high > high ? one.high : high), shown[0].high);

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
    const one = (found[index] ??= {
      open: price,
      high: price,
      low: price,
      close: price,
      quantity: 0,
    });
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
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= raw) ?? raw;
  const found = [];
  for (let at = Math.ceil(low / step) * step; at < high; at += step) found.push(at);
  return found;
}
