// The market: what is traded, and one symbol's book, tape and chart, live.

import { Book, BookView, DEPTH } from "./book.js";
import { Chart } from "./chart.js";
import { element, panel, perFrame } from "./element.js";
import { Feed } from "./feed.js";
import { money, parts, plain } from "./money.js";
import { problem } from "./problem.js";
import { Table } from "./table.js";
import { Ticket } from "./ticket.js";
import { choice, clock, count } from "./words.js";

const TRADES = "outcry.trades.v1.TradeService";

/** Matches that the tape shows. */
const TAPE_MAX = 60;

/** How often the tape is drawn, in milliseconds. */
const DRAWN_EVERY = 100;

/** Matches that the chart begins with: as many as one call gives. */
const PAST = 1000;

/** The symbol that was looked at last, for those who come back. */
let lastSeen = "";

/** Shows the market with one symbol, the first one unless the address has another. */
export async function marketView(main, context) {
  const { calls, rest, session, signal } = context;
  main.append(element("h1.unseen", {}, "Market"));
  let instruments;
  try {
    ({ instruments = [] } = await calls.call(`${TRADES}/ListInstruments`));
  } catch (error) {
    if (!signal.aborted) main.append(problem(error, { again: () => location.reload() }));
    return;
  }
  if (signal.aborted) return;
  const instrument =
    instruments.find(({ symbol }) => symbol === (rest[0] ?? lastSeen)) ??
    instruments.find(({ referencePrice }) => referencePrice) ??
    instruments[0];
  if (!instrument) {
    main.append(element("p.empty", {}, "Nothing is traded here yet."));
    return;
  }
  lastSeen = instrument.symbol;
  // The address says what is shown, so that going back leads here; unless somebody has just moved on.
  if (/^(#\/?(market\/?)?)?$/.test(location.hash))
    history.replaceState(null, "", `#/market/${instrument.symbol}`);
  document.title = `${instrument.symbol} · Outcry`;
  const ticket = session.is("ROLE_USER") && new Ticket(context, instruments, instrument.symbol);
  const badge = element("span.live");
  const list = watchList(instruments, instrument.symbol);
  const bookView = new BookView(ticket && ((price, side) => ticket.use(price, side)));
  const chart = new Chart();
  const tape = tapeTable();
  main.append(
    element(
      "div.desk",
      {},
      panel("Instruments", { id: "instruments" }, list.node),
      panel(
        instrument.symbol,
        { id: "chart", aside: [element("span.quiet", {}, instrument.name), chart.controls] },
        chart.node,
        rules(instrument),
      ),
      panel("Book", { id: "book", aside: [badge] }, bookView.node),
      element(
        "div.stack",
        {},
        ticket ? panel("Order", { id: "order" }, ticket.node) : !session.user && invitation(),
        panel("Tape", { id: "tape" }, tape.node),
      ),
    ),
  );
  followBook(context, instrument.symbol, bookView, badge);
  const traded = (price) => {
    instruments = instruments.map((one) =>
      one.symbol === instrument.symbol ? { ...one, referencePrice: price } : one,
    );
    list.show(instruments);
  };
  await followTape(context, instrument.symbol, tape, chart, traded);
}

function followBook({ calls, signal }, symbol, view, badge) {
  const book = new Book();
  view.show(book);
  new Feed(calls, `${TRADES}/StreamBook`, {
    signal,
    badge,
    request: () => ({ symbol, depth: DEPTH, afterVenueSequence: book.sequence }),
    take(message) {
      book.take(message);
      view.changed();
    },
    failed: (error) => view.node.prepend(problem(error)),
  });
}

async function followTape({ calls, signal }, symbol, tape, chart, traded) {
  let past = [];
  try {
    const request = { symbol, size: PAST, latest: true };
    past = (await calls.call(`${TRADES}/ListExecutions`, request)).executions ?? [];
  } catch (error) {
    // The stream tells the same from the beginning, only later.
    if (!error.passes) tape.node.prepend(problem(error));
  }
  if (signal.aborted) return;
  let rows = past.slice(0, TAPE_MAX);
  let sequence = past[0]?.venueSequence ?? "0";
  const draw = perFrame(() => {
    tape.show(rows);
    if (rows[0]) traded(rows[0].price);
  }, DRAWN_EVERY);
  chart.begin(past.toReversed());
  draw();
  new Feed(calls, `${TRADES}/StreamTape`, {
    signal,
    request: () => ({ symbol, afterVenueSequence: sequence }),
    take({ execution }) {
      sequence = execution.venueSequence;
      rows = [execution, ...rows.slice(0, TAPE_MAX - 1)];
      chart.add(execution);
      draw();
    },
  });
}

function watchList(instruments, current) {
  const list = new Table({
    caption: "Instruments",
    key: ({ symbol }) => symbol,
    columns: [
      {
        title: "Symbol",
        mark: ({ symbol }) => symbol,
        cell: ({ symbol, name }) =>
          element(
            "a.two-lines",
            { href: `#/market/${symbol}`, "aria-current": symbol === current ? "true" : false },
            element("b", {}, symbol),
            element("span.quiet.small", {}, name),
          ),
      },
      { title: "Last", kind: "number", cell: ({ referencePrice }) => money(referencePrice) },
    ],
    tone: ({ symbol }) => (symbol === current ? "chosen" : ""),
    picked: ({ symbol }) => (location.hash = `#/market/${symbol}`),
  });
  list.show(instruments);
  return list;
}

function tapeTable() {
  return new Table({
    caption: "Matches, newest first",
    key: ({ matchId }) => matchId,
    empty: "No trades yet.",
    columns: [
      { title: "Time", kind: "quiet", cell: ({ executedAt }) => clock(executedAt) },
      {
        title: "Price",
        kind: "number strong",
        cell: ({ price, takerSide }) =>
          `${takerSide === "SIDE_BUY" ? "▲" : "▼"} ${plain(parts(price))}`,
      },
      { title: "Shares", kind: "number", cell: ({ quantity }) => count(quantity) },
    ],
    tone: ({ takerSide }) => (takerSide === "SIDE_BUY" ? "bought" : "sold"),
  });
}

function rules({ tick, lot, bandBps, maxOrderValue, session, halted }) {
  const facts = [
    ["Tick", money(tick)],
    ["Lot", count(lot ?? 1)],
    bandBps && ["Band", `±${bandBps / 100} %`],
    maxOrderValue && ["Largest order", money(maxOrderValue)],
    ["Session", halted ? "halted" : choice(session, "SESSION_STATE_")],
  ].filter(Boolean);
  return element(
    "dl.facts",
    {},
    facts.map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, value)),
    ),
  );
}

function invitation() {
  return element(
    "section.panel.invitation",
    { "aria-label": "Trade" },
    element("p", {}, "Sign in to place orders here and follow each one through the platform."),
    element("a.button.primary", { href: "#/sign-in" }, "Sign in or register"),
  );
}
