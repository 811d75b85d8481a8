// Somebody's orders, live, and what can still be done with them.

import { element, perFrame } from "./element.js";
import { Feed } from "./feed.js";
import { ask, field, Unfit } from "./form.js";
import { money, parseMoney, parts, plain, toMoney } from "./money.js";
import { announce, confirmDone, problem } from "./problem.js";
import { Table } from "./table.js";
import { choice, clock, count, date, microseconds, randomId } from "./words.js";

const ORDERS = "outcry.orders.v1.OrderService";

/** Orders that are kept in the page: the newest. */
const ORDERS_MAX = 1000;

/** Orders that are shown at once. */
const SHOWN_MAX = 200;

/** How often the list is drawn, in milliseconds. */
const DRAWN_EVERY = 100;

/** The first page is there before all updates are. */
const PAGE = 100;

/** Statuses after which nothing comes. */
const FINAL = new Set([
  "ORDER_STATUS_FILLED",
  "ORDER_STATUS_CANCELLED",
  "ORDER_STATUS_REJECTED",
  "ORDER_STATUS_EXPIRED",
]);

/** Whether an order may still change. */
export const isOpen = ({ status }) => !FINAL.has(status);

/** The orders of the signed-in user. */
export class Orders {
  #context;
  #orders = new Map();
  #sequence = "0";
  #openOnly = false;
  #table;
  #changed = perFrame(() => this.#draw(), DRAWN_EVERY);
  #tabs;
  badge = element("span.live");

  /** @param updated is called with each update after the first page */
  constructor(context, updated = () => {}) {
    this.#context = context;
    this.#table = orderTable({
      cancel: (order) => this.#cancel(order),
      replace: (order) => this.#replace(order),
    });
    this.#tabs = [
      [false, "All"],
      [true, "Open"],
    ].map(([openOnly, text]) =>
      element("button", { type: "button", onclick: () => this.#filter(openOnly) }, text),
    );
    this.controls = [
      element("div.segments", { role: "group", "aria-label": "Which orders" }, this.#tabs),
      element("button.small", { type: "button", onclick: () => this.#cancelAll() }, "Cancel all"),
      this.badge,
    ];
    this.node = this.#table.node;
    this.#filter(false);
    this.#follow(updated);
  }

  async #follow(updated) {
    const { calls, signal } = this.#context;
    try {
      const { orders = [] } = await calls.call(`${ORDERS}/ListOrders`, { page: { size: PAGE } });
      for (const order of orders) this.#take(order);
    } catch (error) {
      if (!error.passes) this.node.prepend(problem(error));
    }
    if (signal.aborted) return;
    new Feed(calls, `${ORDERS}/StreamOrderUpdates`, {
      signal,
      badge: this.badge,
      request: () => ({ afterSequence: this.#sequence }),
      take: ({ sequence, order }) => {
        this.#sequence = sequence;
        this.#take(order);
        updated(order);
      },
      failed: (error) => this.node.prepend(problem(error)),
    });
  }

  #take(order) {
    const known = this.#orders.get(order.orderId);
    const updated = microseconds(order.updatedAt);
    // The stream begins with updates that are older than the listing.
    if (known && known.updated > updated) return;
    const created = known?.created ?? microseconds(order.createdAt);
    this.#orders.set(order.orderId, { order, created, updated });
    if (this.#orders.size > ORDERS_MAX) this.#shed();
    this.#changed();
  }

  /** Lets the oldest go, final ones first. */
  #shed() {
    const oldest = [...this.#orders.values()].sort(
      (a, b) => isOpen(a.order) - isOpen(b.order) || a.created - b.created,
    );
    for (const {
      order: { orderId },
    } of oldest.slice(0, ORDERS_MAX / 10))
      this.#orders.delete(orderId);
  }

  #filter(openOnly) {
    this.#openOnly = openOnly;
    this.#tabs.forEach((tab, index) =>
      tab.setAttribute("aria-pressed", String((index === 1) === openOnly)),
    );
    this.#changed();
  }

  #draw() {
    const wanted = [...this.#orders.values()].filter(
      ({ order }) => !this.#openOnly || isOpen(order),
    );
    wanted.sort((a, b) => b.created - a.created);
    this.#table.show(wanted.slice(0, SHOWN_MAX).map(({ order }) => order));
  }

  async #cancel(order) {
    const { calls } = this.#context;
    try {
      const answer = await calls.call(`${ORDERS}/CancelOrder`, {
        requestId: randomId(),
        orderId: order.orderId,
      });
      this.#take(answer.order);
      announce(`Order ${choice(answer.order.status, "ORDER_STATUS_")}`);
    } catch (error) {
      ask({
        title: "The order was not cancelled",
        children: [problem(error)],
        action: "Close",
        act: () => {},
      });
    }
  }

  #cancelAll() {
    const open = [...this.#orders.values()].filter(({ order }) => isOpen(order)).length;
    const requestId = randomId();
    ask({
      title: "Cancel every open order?",
      children: [
        element(
          "p",
          {},
          `${count(open)} of yours are open as far as this page knows. What is filled stays filled.`,
        ),
      ],
      action: "Cancel all orders",
      danger: true,
      act: async () => {
        const { orders = [], remaining } = await this.#context.calls.call(
          `${ORDERS}/CancelAllOrders`,
          { requestId },
        );
        for (const order of orders) this.#take(order);
        confirmDone(
          remaining
            ? `${remaining} are still open: cancel all again`
            : `${orders.length} orders cancelled`,
        );
      },
    });
  }

  #replace(order) {
    const { terms } = order;
    const limit = parts(terms.limitPrice);
    const stop = order.triggered ? undefined : parts(terms.stopPrice);
    const quantityInput = element("input", {
      inputmode: "numeric",
      value: terms.quantity,
      required: true,
    });
    const limitInput = element("input", {
      inputmode: "decimal",
      value: limit === undefined ? "" : plain(limit, { grouped: false }),
    });
    const stopInput = element("input", {
      inputmode: "decimal",
      value: stop === undefined ? "" : plain(stop, { grouped: false }),
    });
    let requestId = randomId();
    const dialog = ask({
      title: `Change ${choice(terms.side, "SIDE_")} order in ${terms.symbol}`,
      children: [
        field("quantity", "Shares in all, what is filled included", quantityInput),
        limit !== undefined && field("limit_price", "Limit", limitInput),
        stop !== undefined && field("stop_price", "Stop", stopInput),
      ].filter(Boolean),
      action: "Change order",
      act: async () => {
        const request = { requestId, orderId: order.orderId, quantity: quantityInput.value.trim() };
        const found = [];
        if (!/^[1-9]\d{0,9}$/.test(request.quantity))
          found.push({ field: "quantity", description: "write a whole number of shares" });
        for (const [name, key, input, before] of [
          ["limit_price", "limitPrice", limitInput, limit],
          ["stop_price", "stopPrice", stopInput, stop],
        ]) {
          if (before === undefined) continue;
          const value = parseMoney(input.value);
          if (!value) found.push({ field: name, description: "write a price, such as 101.25" });
          else request[key] = toMoney(value, (terms.limitPrice ?? terms.stopPrice).currencyCode);
        }
        if (found.length > 0) throw new Unfit(found);
        const answer = await this.#context.calls.call(`${ORDERS}/ReplaceOrder`, request);
        this.#take(answer.order);
        announce("Order changed");
      },
    });
    dialog.addEventListener("input", () => (requestId = randomId()));
  }
}

/** Status of an order with the colour it has. */
export function statusPill({ status }) {
  const tone =
    {
      ORDER_STATUS_FILLED: "good",
      ORDER_STATUS_REJECTED: "bad",
      ORDER_STATUS_EXPIRED: "dim",
      ORDER_STATUS_CANCELLED: "dim",
    }[status] ?? "info";
  return element(`span.pill.${tone}`, {}, choice(status, "ORDER_STATUS_"));
}

function orderTable({ cancel, replace }) {
  return new Table({
    caption: "Orders, newest first",
    key: ({ orderId }) => orderId,
    empty: "No orders. Place one and it appears here at once.",
    columns: [
      {
        title: "Placed",
        kind: "quiet",
        mark: ({ createdAt }) => createdAt,
        cell: ({ createdAt }) => element("span", { title: date(createdAt) }, clock(createdAt)),
      },
      { title: "Symbol", kind: "strong", cell: ({ terms }) => terms.symbol },
      {
        title: "Side",
        mark: ({ terms }) => terms.side,
        cell: ({ terms }) =>
          element(
            terms.side === "SIDE_BUY" ? "span.bought" : "span.sold",
            {},
            choice(terms.side, "SIDE_"),
          ),
      },
      { title: "Type", cell: ({ terms }) => choice(terms.type, "ORDER_TYPE_") },
      {
        title: "Filled",
        kind: "number",
        cell: ({ cumulativeQuantity, terms }) =>
          `${count(cumulativeQuantity ?? 0)} / ${count(terms.quantity)}`,
      },
      {
        title: "Price",
        kind: "number",
        cell: ({ terms }) =>
          terms.limitPrice
            ? money(terms.limitPrice)
            : terms.stopPrice
              ? `stop ${money(terms.stopPrice)}`
              : "market",
      },
      { title: "Average", kind: "number", cell: ({ averagePrice }) => money(averagePrice) },
      {
        title: "Status",
        mark: (order) => `${order.status} ${order.message ?? ""}`,
        cell: (order) =>
          element(
            "span",
            {
              title:
                order.message ||
                choice(
                  order.rejectReason ?? order.cancelReason,
                  order.rejectReason ? "REJECT_REASON_" : "CANCEL_REASON_",
                ) ||
                false,
            },
            statusPill(order),
          ),
      },
      {
        title: "",
        spoken: "Actions",
        kind: "row-actions",
        mark: (order) => isOpen(order) + order.terms.quantity + money(order.terms.limitPrice),
        cell: (order) => {
          const what = `${choice(order.terms.side, "SIDE_")} ${order.terms.quantity} ${order.terms.symbol}`;
          return element(
            "span",
            {},
            element(
              "a.button.small",
              { href: `#/story/${order.correlationId}`, "aria-label": `Story of ${what}` },
              "Story",
            ),
            isOpen(order) &&
              element(
                "button.small",
                { type: "button", "aria-label": `Change ${what}`, onclick: () => replace(order) },
                "Change",
              ),
            isOpen(order) &&
              element(
                "button.small",
                { type: "button", "aria-label": `Cancel ${what}`, onclick: () => cancel(order) },
                "Cancel",
              ),
          );
        },
      },
    ],
  });
}
