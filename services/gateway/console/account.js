// The account: cash and shares, positions, orders, and the way to place one.

import { element, panel, perFrame } from "./element.js";
import { Feed } from "./feed.js";
import { ask, field, Unfit } from "./form.js";
import { money, parseMoney, parts, plain, signed, toMoney } from "./money.js";
import { Orders } from "./orders.js";
import { confirmDone, problem } from "./problem.js";
import { Table } from "./table.js";
import { Ticket } from "./ticket.js";
import { count, randomId } from "./words.js";

const FUNDS = "outcry.funds.v1.FundsService";
const PORTFOLIO = "outcry.portfolio.v1.PortfolioService";
const EVENTS = "outcry.eventlog.v1.EventLogService/Subscribe";
const TRADES = "outcry.trades.v1.TradeService";

/** Movements that follow each other are one reason to look at the balances, within this many milliseconds. */
const SETTLED_AFTER = 150;

/** Shows the signed-in user's account. */
export async function accountView(main, context) {
  const { calls, signal } = context;
  const cash = element("dl.tiles");
  const shares = sharesTable();
  const positions = positionTable();
  const held = element("div");
  const deposit = element(
    "button.small",
    { type: "button", onclick: () => askDeposit(calls) },
    "Deposit",
  );
  const refresh = followBalances(context, cash, shares);
  const orders = new Orders(context, refresh);
  const ticket = element("div");
  main.append(
    element("h1.unseen", {}, "Account"),
    element(
      "div.account",
      {},
      element(
        "div.stack",
        {},
        panel("Cash", { id: "cash", aside: [deposit] }, cash),
        panel("Orders", { id: "orders", aside: orders.controls }, orders.node),
        panel("Positions", { id: "positions", aside: [held] }, positions.node),
        panel("Shares in custody", { id: "shares" }, shares.node),
      ),
      element("div.stack", {}, ticket),
    ),
  );
  followPositions(context, positions, held);
  try {
    const { instruments = [] } = await calls.call(`${TRADES}/ListInstruments`);
    if (signal.aborted || instruments.length === 0) return;
    ticket.replaceWith(
      panel("Order", { id: "order" }, new Ticket(context, instruments, first(instruments)).node),
    );
  } catch (error) {
    ticket.append(problem(error));
  }
}

/** The symbol that an order is begun for: one that trades, where there is one. */
function first(instruments) {
  return (instruments.find(({ referencePrice }) => referencePrice) ?? instruments[0]).symbol;
}

/** Balances are asked for again whenever an event or an order says that something has moved. */
function followBalances({ calls, signal }, cash, shares) {
  let timer;
  let position;
  const load = async () => {
    timer = undefined;
    try {
      const { balances = [] } = await calls.call(`${FUNDS}/GetBalances`);
      if (!signal.aborted) showBalances(balances, cash, shares);
    } catch (error) {
      if (!signal.aborted && !cash.hasChildNodes()) cash.append(problem(error, { again: load }));
    }
  };
  const moved = () => (timer ??= setTimeout(load, SETTLED_AFTER));
  signal.addEventListener("abort", () => clearTimeout(timer));
  load();
  new Feed(calls, EVENTS, {
    signal,
    request: () => ({
      topics: ["funds.*"],
      ...(position ? { afterPosition: position } : { fromNow: true }),
    }),
    take({ logged }) {
      position = logged.position;
      moved();
    },
  });
  return moved;
}

function showBalances(balances, cash, shares) {
  const tiles = balances
    .filter(({ available }) => available?.cash)
    .flatMap(({ available, locked }) => {
      const free = parts(available.cash) ?? 0n;
      const kept = parts(locked?.cash) ?? 0n;
      const currency = available.cash.currencyCode;
      return [
        tile(`Available, ${currency}`, plain(free)),
        tile("Locked", plain(kept)),
        tile("In all", plain(free + kept)),
      ];
    });
  if (tiles.length === 0) tiles.push(tile("Available", "0.00"));
  cash.replaceChildren(...tiles);
  shares.show(balances.filter(({ available }) => available?.shares));
}

function tile(name, value) {
  return element("div.tile", {}, element("dt", {}, name), element("dd", {}, value));
}

function sharesTable() {
  return new Table({
    caption: "Shares in custody",
    key: ({ available }) => available.shares.symbol,
    empty: "No shares yet.",
    columns: [
      { title: "Symbol", kind: "strong", cell: ({ available }) => available.shares.symbol },
      {
        title: "Available",
        kind: "number",
        cell: ({ available }) => count(available.shares.quantity ?? 0),
      },
      {
        title: "Locked for orders",
        kind: "number",
        cell: ({ locked }) => count(locked?.shares?.quantity ?? 0),
      },
    ],
  });
}

function followPositions({ calls, signal }, table, held) {
  const positions = new Map();
  let mark = "0";
  const draw = perFrame(() => {
    const rows = [...positions.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
    table.show(rows);
    const gain = rows.reduce((sum, one) => sum + (parts(one.unrealisedProfit) ?? 0n), 0n);
    held.replaceChildren(rows.length > 0 ? gainText(gain) : "");
  });
  draw();
  new Feed(calls, `${PORTFOLIO}/StreamPositions`, {
    signal,
    request: () => ({ afterMark: mark }),
    take(message) {
      mark = message.mark ?? mark;
      positions.set(message.position.symbol, message.position);
      draw();
    },
    failed: (error) => table.node.prepend(problem(error)),
  });
}

function gainText(value) {
  return element(
    value < 0n ? "span.sold" : "span.bought",
    {},
    `${value > 0n ? "+" : ""}${plain(value)} unrealised`,
  );
}

function positionTable() {
  const gain = (amount) => {
    const value = parts(amount);
    return element(
      value < 0n ? "span.sold" : value > 0n ? "span.bought" : "span",
      {},
      signed(amount),
    );
  };
  return new Table({
    caption: "Positions",
    key: ({ symbol }) => symbol,
    empty: "No positions yet. What you buy appears here with its cost and profit.",
    columns: [
      {
        title: "Symbol",
        kind: "strong",
        mark: ({ symbol }) => symbol,
        cell: ({ symbol }) => element("a", { href: `#/market/${symbol}` }, symbol),
      },
      { title: "Shares", kind: "number", cell: ({ quantity }) => count(quantity ?? 0) },
      { title: "Last", kind: "number", cell: ({ lastPrice }) => money(lastPrice) },
      { title: "Value", kind: "number", cell: ({ marketValue }) => money(marketValue) },
      { title: "Cost", kind: "number", cell: ({ cost }) => money(cost) },
      {
        title: "Unrealised",
        kind: "number",
        mark: ({ unrealisedProfit }) => signed(unrealisedProfit),
        cell: ({ unrealisedProfit }) => gain(unrealisedProfit),
      },
      {
        title: "Realised",
        kind: "number",
        mark: ({ realisedProfit }) => signed(realisedProfit),
        cell: ({ realisedProfit }) => gain(realisedProfit),
      },
    ],
  });
}

function askDeposit(calls) {
  const input = element("input", { inputmode: "decimal", required: true, placeholder: "1000.00" });
  let requestId = randomId();
  const dialog = ask({
    title: "Deposit",
    children: [
      field("amount", "Amount in USD", input, {
        hint: "It is available once the payment provider has captured it.",
      }),
    ],
    action: "Deposit",
    act: async () => {
      const value = parseMoney(input.value);
      if (!value)
        throw new Unfit([{ field: "amount", description: "write an amount, such as 1000.00" }]);
      await calls.call("outcry.payments.v1.PaymentService/CreatePayment", {
        requestId,
        amount: toMoney(value, "USD"),
      });
      confirmDone("The payment is on its way");
    },
  });
  dialog.addEventListener("input", () => (requestId = randomId()));
}
