// The order ticket: what is wanted, checked by the market's simple rules before it is sent.

import { element } from "./element.js";
import { choices, field, sending, Unfit } from "./form.js";
import { money, parseMoney, parts, plain, times, toMoney } from "./money.js";
import { announce } from "./problem.js";
import { choice, count, randomId } from "./words.js";

const PLACE = "outcry.orders.v1.OrderService/PlaceOrder";

const TYPES = [
  ["ORDER_TYPE_LIMIT", "Limit"],
  ["ORDER_TYPE_MARKET", "Market"],
  ["ORDER_TYPE_STOP", "Stop"],
  ["ORDER_TYPE_STOP_LIMIT", "Stop limit"],
];

const LIVES = [
  ["TIME_IN_FORCE_DAY", "Day"],
  ["TIME_IN_FORCE_GTC", "Until cancelled"],
  ["TIME_IN_FORCE_GTD", "Until a time"],
  ["TIME_IN_FORCE_IOC", "At once, rest cancelled"],
  ["TIME_IN_FORCE_FOK", "All at once or nothing"],
];

/** What each type needs, and the lives it cannot have. */
const NEEDS = {
  ORDER_TYPE_LIMIT: { limit: true, stop: false, not: [] },
  ORDER_TYPE_MARKET: { limit: false, stop: false, not: ["TIME_IN_FORCE_GTD"] },
  ORDER_TYPE_STOP: { limit: false, stop: true, not: ["TIME_IN_FORCE_IOC", "TIME_IN_FORCE_FOK"] },
  ORDER_TYPE_STOP_LIMIT: {
    limit: true,
    stop: true,
    not: ["TIME_IN_FORCE_IOC", "TIME_IN_FORCE_FOK"],
  },
};

/** Lives of orders that never rest. */
const NEVER_RESTS = ["TIME_IN_FORCE_IOC", "TIME_IN_FORCE_FOK"];

/**
 * What is wrong with terms, by the rules that an instrument has and that do not change while it trades.
 * How far a limit may be from the last price is the venue's to say.
 */
export function findings(
  { quantity, limit, stop },
  { limit: needsLimit, stop: needsStop },
  instrument,
) {
  const found = [];
  const wrong = (name, description) => found.push({ field: `terms.${name}`, description });
  const lot = BigInt(instrument.lot ?? 1);
  const most = BigInt(instrument.maxOrderQuantity ?? 1_000_000_000);
  if (quantity === undefined || quantity < 1n) wrong("quantity", "write a whole number of shares");
  else if (quantity % lot !== 0n) wrong("quantity", `only multiples of ${lot}`);
  else if (quantity > most) wrong("quantity", `at most ${count(most)}`);
  const tick = parts(instrument.tick) ?? 1n;
  for (const [name, price, needed] of [
    ["limit_price", limit, needsLimit],
    ["stop_price", stop, needsStop],
  ]) {
    if (!needed) continue;
    if (price === undefined || price <= 0n) wrong(name, "write a price, such as 101.25");
    else if (price % tick !== 0n) wrong(name, `only multiples of ${plain(tick)}`);
  }
  const largest = parts(instrument.maxOrderValue);
  if (found.length === 0 && needsLimit && largest && times(limit, quantity) > largest) {
    wrong("quantity", `worth more than ${money(instrument.maxOrderValue)}, the largest order`);
  }
  return found;
}

/** The form. */
export class Ticket {
  #context;
  #instruments;
  #symbol;
  #side = "SIDE_BUY";
  #requestId = randomId();
  #type = choices(TYPES, TYPES[0][0]);
  #life = choices(LIVES, LIVES[0][0]);
  #quantity = element("input", { inputmode: "numeric", autocomplete: "off", required: true });
  #limit = price();
  #stop = price();
  #expires = element("input", { type: "datetime-local", step: "1" });
  #postOnly = element("input", { type: "checkbox", id: "post-only" });
  #value = element("p.quiet.small");
  #result = element("div.result", { role: "status" });
  #send = element("button.primary.whole", { type: "submit" });
  #sides;

  constructor(context, instruments, symbol) {
    this.#context = context;
    this.#instruments = instruments;
    this.#symbol = choices(
      instruments.map((one) => [one.symbol, `${one.symbol}  ${one.name}`]),
      symbol,
    );
    this.#sides = [
      ["SIDE_BUY", "Buy"],
      ["SIDE_SELL", "Sell"],
    ].map(([side, text]) =>
      element(
        "button",
        {
          type: "button",
          class: side === "SIDE_BUY" ? "buy" : "sell",
          onclick: () => this.#turn(side),
        },
        text,
      ),
    );
    const form = element(
      "form.ticket",
      { "aria-label": "Place an order" },
      element("div.segments.sides", { role: "group", "aria-label": "Side" }, this.#sides),
      field("terms.symbol", "Symbol", this.#symbol),
      element(
        "div.pair",
        {},
        field("terms.type", "Type", this.#type),
        field("terms.time_in_force", "Lives", this.#life),
      ),
      element(
        "div.pair",
        {},
        field("terms.quantity", "Shares", this.#quantity),
        field("terms.limit_price", "Limit", this.#limit),
      ),
      field("terms.stop_price", "Stop", this.#stop),
      field("terms.expires_at", "Until", this.#expires),
      element(
        "div.check",
        { "data-field": "terms.post_only" },
        this.#postOnly,
        element("label", { for: "post-only" }, "Only rest, never take"),
        element("p.wrong"),
      ),
      this.#value,
      this.#send,
      this.#result,
    );
    form.addEventListener("input", () => this.#fit());
    this.node = sending(form, () => this.#place());
    this.#turn(this.#side);
  }

  /** Takes a price and a side from the book. */
  use(value, side) {
    this.#limit.value = plain(value, { grouped: false });
    this.#turn(side);
    this.#quantity.focus();
  }

  #instrument() {
    return this.#instruments.find(({ symbol }) => symbol === this.#symbol.value);
  }

  #turn(side) {
    this.#side = side;
    this.#sides.forEach((button, index) =>
      button.setAttribute("aria-pressed", String((index === 0) === (side === "SIDE_BUY"))),
    );
    this.#fit();
  }

  /** Shows the fields that the type needs, and what the order would be worth. */
  #fit() {
    // Other content is another request.
    this.#requestId = randomId();
    const needs = NEEDS[this.#type.value];
    for (const option of this.#life.options) option.disabled = needs.not.includes(option.value);
    if (needs.not.includes(this.#life.value)) this.#life.value = "TIME_IN_FORCE_DAY";
    const may = this.#type.value === "ORDER_TYPE_LIMIT" && !NEVER_RESTS.includes(this.#life.value);
    if (!may) this.#postOnly.checked = false;
    this.#limit.closest(".field").hidden = !needs.limit;
    this.#stop.closest(".field").hidden = !needs.stop;
    this.#expires.closest(".field").hidden = this.#life.value !== "TIME_IN_FORCE_GTD";
    this.#postOnly.closest(".check").hidden = !may;
    const { quantity, limit } = this.#read();
    const reference = needs.limit ? limit : parts(this.#instrument()?.referencePrice);
    this.#value.textContent =
      quantity && reference
        ? `${needs.limit ? "Worth" : "Worth about"} ${plain(times(reference, quantity))}, fees apart`
        : "";
    const verb = this.#side === "SIDE_BUY" ? "Buy" : "Sell";
    this.#send.textContent = `${verb} ${quantity ? `${count(quantity)} ` : ""}${this.#symbol.value}`;
    this.#send.classList.toggle("buy", this.#side === "SIDE_BUY");
    this.#send.classList.toggle("sell", this.#side === "SIDE_SELL");
  }

  #read() {
    const whole = /^\s*\d{1,12}\s*$/.test(this.#quantity.value);
    return {
      quantity: whole ? BigInt(this.#quantity.value.trim()) : undefined,
      limit: parseMoney(this.#limit.value),
      stop: parseMoney(this.#stop.value),
    };
  }

  async #place() {
    const needs = NEEDS[this.#type.value];
    const instrument = this.#instrument();
    const read = this.#read();
    const found = findings(read, needs, instrument);
    const until = this.#life.value === "TIME_IN_FORCE_GTD";
    if (until && !this.#expires.value)
      found.push({ field: "terms.expires_at", description: "say until when" });
    if (found.length > 0) throw new Unfit(found);
    const currency = instrument.tick.currencyCode;
    const terms = {
      symbol: instrument.symbol,
      side: this.#side,
      type: this.#type.value,
      quantity: String(read.quantity),
      timeInForce: this.#life.value,
      postOnly: this.#postOnly.checked,
    };
    if (needs.limit) terms.limitPrice = toMoney(read.limit, currency);
    if (needs.stop) terms.stopPrice = toMoney(read.stop, currency);
    if (until) terms.expiresAt = new Date(this.#expires.value).toISOString();
    this.#result.replaceChildren();
    // Sent again after a lost answer, the same request is carried out once.
    const { order } = await this.#context.calls.call(PLACE, { requestId: this.#requestId, terms });
    this.#requestId = randomId();
    this.#say(order);
  }

  #say(order) {
    const refused = order.status === "ORDER_STATUS_REJECTED";
    const status = choice(order.status, "ORDER_STATUS_");
    const why = refused ? order.message || choice(order.rejectReason, "REJECT_REASON_") : "";
    const some =
      order.status === "ORDER_STATUS_FILLED"
        ? ""
        : `, ${count(order.cumulativeQuantity ?? 0)} filled`;
    const filled = order.cumulativeQuantity ? `${some} at ${money(order.averagePrice)}` : "";
    announce(`Order ${status}${filled}${why ? `: ${why}` : ""}`);
    this.#result.replaceChildren(
      element(
        refused ? "p.outcome.bad" : "p.outcome.good",
        {},
        element("b", {}, `Order ${status}${filled}. `),
        why && `${why.replace(/\.?$/, ".")} `,
        element("a", { href: `#/story/${order.correlationId}` }, "Its story"),
      ),
    );
  }
}

function price() {
  return element("input", { inputmode: "decimal", autocomplete: "off", placeholder: "0.00" });
}
