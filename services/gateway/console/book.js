// One symbol's order book: what rests at which price, as it changes.

import { element, perFrame } from "./element.js";
import { parts, plain } from "./money.js";
import { choice, count } from "./words.js";

/** Levels of each side that are asked for and shown. */
export const DEPTH = 12;

/** How often a book is drawn, in milliseconds. */
const DRAWN_EVERY = 60;

/** A book as it stands, from a snapshot and the changes after it. */
export class Book {
  bids = new Map();
  asks = new Map();
  sequence = "0";
  last;
  session = "";

  /** Takes one message of the stream. */
  take(message) {
    if (message.snapshot) {
      this.bids.clear();
      this.asks.clear();
    }
    merge(this.bids, message.bids);
    merge(this.asks, message.asks);
    if (message.lastPrice) this.last = parts(message.lastPrice);
    this.session = message.session ?? this.session;
    this.sequence = message.venueSequence ?? this.sequence;
  }

  /** Levels of a side, best first. */
  levels(side) {
    const down = side === "bids";
    return [...this[side].values()]
      .sort((a, b) => (a.price < b.price === down ? 1 : -1))
      .slice(0, DEPTH);
  }
}

function merge(side, levels = []) {
  for (const level of levels) {
    const price = parts(level.price);
    const quantity = Number(level.quantity ?? 0);
    if (quantity === 0) side.delete(price);
    else side.set(price, { price, quantity, orders: level.orders ?? 0 });
  }
}

/** Shows a book, with bars for how much rests up to each price. */
export class BookView {
  #book;
  #picked;
  #asks;
  #bids;
  #middle = element("div.middle");
  /** Asks for a drawing before the next frame. */
  changed = perFrame(() => this.#draw(), DRAWN_EVERY);

  /** @param picked is given the price and the side of a level that somebody picks; without it, nobody can */
  constructor(picked) {
    this.#picked = picked;
    this.#asks = ladder("Offers", "asks", picked);
    this.#bids = ladder("Bids", "bids", picked);
    this.node = element("div.book", {}, this.#asks.node, this.#middle, this.#bids.node);
  }

  /** Shows another book from now on. */
  show(book) {
    this.#book = book;
    this.changed();
  }

  #draw() {
    const bids = totals(this.#book.levels("bids"));
    const asks = totals(this.#book.levels("asks"));
    const most = Math.max(bids.at(-1)?.total ?? 0, asks.at(-1)?.total ?? 0, 1);
    // Offers are read upwards, from the middle.
    this.#fill(this.#asks, [...Array(DEPTH - asks.length), ...asks.toReversed()], most, "SIDE_BUY");
    this.#fill(this.#bids, [...bids, ...Array(DEPTH - bids.length)], most, "SIDE_SELL");
    const spread = bids[0] && asks[0] ? asks[0].price - bids[0].price : undefined;
    this.#middle.replaceChildren(
      element("strong", {}, this.#book.last === undefined ? "–" : plain(this.#book.last)),
      element("span.quiet", {}, spread === undefined ? "no spread" : `spread ${plain(spread)}`),
      this.#book.session && this.#book.session !== "SESSION_STATE_OPEN"
        ? element("span.pill.warn", {}, choice(this.#book.session, "SESSION_STATE_"))
        : "",
    );
  }

  #fill(side, levels, most, taking) {
    levels.forEach((level, index) => {
      const row = side.rows[index];
      const text = level
        ? [plain(level.price), count(level.quantity), count(level.total)]
        : ["", "", ""];
      row.price.textContent = text[0];
      row.size.textContent = text[1];
      row.total.textContent = text[2];
      row.price.hidden = !level;
      row.price.onclick = level && this.#picked ? () => this.#picked(level.price, taking) : null;
      row.node.style.setProperty("--depth", level ? `${(level.total / most) * 100}%` : "0%");
    });
  }
}

/** Levels with how much rests up to and including each. */
function totals(levels) {
  let total = 0;
  return levels.map((level) => ({ ...level, total: (total += level.quantity) }));
}

function ladder(caption, side, picked) {
  const rows = Array.from({ length: DEPTH }, () => {
    const price = picked
      ? element("button.level", { type: "button", title: "Use this price" })
      : element("span.level");
    const [size, total] = [element("td"), element("td.quiet")];
    return { price, size, total, node: element("tr", {}, element("td", {}, price), size, total) };
  });
  const heads = ["Price", "Shares", "Total"].map((title) => element("th", { scope: "col" }, title));
  const node = element(
    "table",
    { class: side },
    element("caption.unseen", {}, caption),
    element("thead", { class: side === "bids" ? "unseen" : false }, element("tr", {}, heads)),
    element(
      "tbody",
      {},
      rows.map((row) => row.node),
    ),
  );
  return { node, rows };
}
