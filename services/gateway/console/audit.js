// The audit: every invariant with its breaches, and what the ledger says of itself.

import { element, panel } from "./element.js";
import { Feed } from "./feed.js";
import { ask } from "./form.js";
import { meaning, progress, verdict } from "./invariants.js";
import { announce, copier, problem } from "./problem.js";
import { Table } from "./table.js";
import { amount, count, date, span } from "./words.js";

const STATUS = "outcry.operations.v1.StatusService";
const LEDGER = "outcry.ledger.v1.LedgerService";

/** Accounts that are named when the books and the custody differ. */
const DIFFERENCES_MAX = 10;

const VERDICTS = {
  unknown: ["No audit has run since the gateway started.", "dim"],
  holds: ["Every invariant holds.", "good"],
  broken: ["Invariants are broken.", "bad"],
};

/** The panel with all of it. */
export class Audit {
  #context;
  #state = {};
  #verdict = element("p.outcome", { role: "status" });
  #bar = element("progress", { max: 100, value: 0, "aria-label": "Audit" });
  #step = element("span.quiet.small");
  #way = element("p.audit-way", { hidden: true }, this.#bar, " ", this.#step);
  #elsewhere = element("div", { hidden: true });
  #problem = element("div");
  #ledger = element("dl.facts");
  #start = element(
    "button.primary",
    { type: "button", hidden: true, onclick: () => this.#ask() },
    "Run the audit",
  );
  #verify = element(
    "button",
    { type: "button", onclick: () => this.#askLedger() },
    "Check the ledger",
  );
  #invariants = invariantTable();
  #breaches = breachTable();
  #pending = pendingTable();

  constructor(context) {
    this.#context = context;
    const { calls, signal } = context;
    const badge = element("span.live");
    this.node = panel(
      "Invariants",
      { id: "invariants", aside: [badge, this.#verify, this.#start] },
      this.#verdict,
      this.#way,
      this.#elsewhere,
      this.#problem,
      this.#ledger,
      this.#invariants.node,
      this.#breaches.node,
      this.#pending.node,
    );
    this.#show();
    new Feed(calls, `${STATUS}/WatchAudit`, {
      signal,
      badge,
      request: () => ({}),
      take: (state) => this.#take(state),
      failed: (error) => this.#problem.replaceChildren(problem(error)),
    });
  }

  #take(state) {
    if (this.#state.running && !state.running)
      announce(state.failure ? "The audit could not say anything" : "The audit has ended");
    this.#state = state;
    this.#show();
  }

  #show() {
    const { available, running, last, failure, step, command, startedAt } = this.#state;
    const [text, tone] = VERDICTS[verdict(last)];
    this.#verdict.className = `outcome ${tone}`;
    this.#verdict.textContent = last ? `${text} ${told(last)}` : text;
    this.#way.hidden = !running;
    this.#bar.value = progress(this.#state);
    this.#step.textContent = running ? `since ${date(startedAt)}: ${step ?? ""}` : "";
    this.#start.hidden = !available || !this.#context.session.is("ROLE_ADMIN");
    this.#start.disabled = Boolean(running);
    this.#elsewhere.hidden = !command;
    if (command)
      this.#elsewhere.replaceChildren(
        element(
          "p.audit-way",
          {},
          "The data is spread over several processes. Whoever reaches the database runs ",
          element("code", {}, command),
          " ",
          copier(command),
        ),
      );
    if (failure)
      this.#problem.replaceChildren(
        problem({ message: `the last audit could not say anything: ${failure}` }),
      );
    this.#invariants.node.hidden = !last;
    this.#breaches.node.hidden = !(last?.breaches?.length > 0);
    this.#pending.node.hidden = !(last?.pending?.length > 0);
    if (!last) return;
    this.#invariants.show(last.invariants ?? []);
    this.#breaches.show((last.breaches ?? []).map((breach, place) => ({ ...breach, place })));
    this.#pending.show(last.pending ?? []);
  }

  #ask() {
    ask({
      title: "Run the audit?",
      children: [
        element(
          "p",
          {},
          "Every invariant is worked out anew from all events, on a copy of the data as it is now.",
        ),
        element(
          "p.quiet",
          {},
          "The platform goes on meanwhile, but the audit takes one of the machine's processors.",
        ),
      ],
      action: "Run the audit",
      act: async () => {
        this.#problem.replaceChildren();
        await this.#context.calls.call(`${STATUS}/RunAudit`);
      },
    });
  }

  /** What the ledger says of itself, which it does wherever it runs. */
  async #askLedger() {
    const { calls, signal } = this.#context;
    this.#verify.disabled = true;
    this.#problem.replaceChildren();
    try {
      const [books, journal] = await Promise.all([
        calls.call(`${LEDGER}/Reconcile`),
        calls.call(`${LEDGER}/VerifyJournal`),
      ]);
      if (signal.aborted) return;
      const rows = [
        ["Books and custody", compared(books)],
        ["Journal", verified(journal)],
      ];
      this.#ledger.replaceChildren(
        ...rows.map(([name, value]) =>
          element("div", {}, element("dt", {}, name), element("dd", {}, value)),
        ),
      );
      announce("The ledger has been checked");
    } catch (error) {
      if (!signal.aborted) this.#problem.replaceChildren(problem(error));
    } finally {
      this.#verify.disabled = false;
    }
  }
}

function told({ events = "0", startedAt, endedAt }) {
  const took = span((Date.parse(endedAt) - Date.parse(startedAt)) * 1000);
  return `${amount(events, "event")} looked at in ${took}, ${date(endedAt)}.`;
}

function compared({ accounts = "0", differences = [] }) {
  const all = `${amount(accounts, "account")} compared`;
  if (differences.length === 0) return `${all}: no difference`;
  const first = differences.slice(0, DIFFERENCES_MAX).map(({ account }) => account);
  const named =
    first.length < differences.length ? `such as ${first.join(", ")}` : first.join(", ");
  return [
    `${all}, ${count(differences.length)} differ. While events are under way that is no fault.`,
    element("details", {}, element("summary", {}, "Which"), element("code", {}, named)),
  ];
}

function verified({ intact, transactions = "0", firstBroken = "0", problem: why = "" }) {
  const all = amount(transactions, "transaction");
  return intact ? `${all}, unbroken` : `broken at transaction ${firstBroken} of ${all}: ${why}`;
}

function invariantTable() {
  return new Table({
    caption: "Invariants",
    key: ({ name }) => name,
    empty: "Nothing was checked.",
    columns: [
      { title: "Invariant", kind: "code", cell: ({ name }) => name },
      { title: "Says", kind: "wide", cell: ({ name }) => meaning(name) },
      { title: "Checks", kind: "number", cell: ({ checks }) => count(checks ?? "0") },
      {
        title: "Verdict",
        mark: ({ breaches }) => breaches ?? "0",
        cell: ({ breaches = "0" }) =>
          breaches === "0"
            ? element("span.pill.good", {}, "holds")
            : element("span.pill.bad", {}, amount(breaches, "breach", "breaches")),
      },
    ],
  });
}

function breachTable() {
  return new Table({
    caption: "Breaches, the first of them",
    key: ({ place }) => place,
    columns: [
      { title: "Invariant", kind: "code", cell: ({ invariant }) => invariant },
      { title: "Of", kind: "code", cell: ({ subject }) => subject },
      { title: "What", kind: "wide", cell: ({ what }) => what },
    ],
  });
}

function pendingTable() {
  return new Table({
    caption: "Under way when the audit looked",
    key: ({ what }) => what,
    columns: [
      { title: "Under way", kind: "wide", cell: ({ what }) => what },
      { title: "How many", kind: "number", cell: ({ count: many }) => count(many ?? "0") },
    ],
  });
}
