// Dead letters: events that a consumer could not handle, why, and what becomes of them.

import { element, panel } from "./element.js";
import { ask, field, Unfit } from "./form.js";
import { coloured } from "./inspector.js";
import { confirmDone, problem } from "./problem.js";
import { Table } from "./table.js";
import { amount, clock, count, date, shortId, who } from "./words.js";

const LETTERS = "outcry.operations.v1.DeadLetterService";

/** Rows of one page. */
const PAGE = 50;

/** Shows them, and to administrators the ways out. */
export function lettersView(main, context) {
  const view = new Letters(context);
  main.append(element("h1.unseen", {}, "Dead letters"), view.node);
  view.load();
}

class Letters {
  #context;
  #letters = [];
  #next = "";
  #filter = {};
  #inspector = element(
    "div.inspector",
    {},
    element("p.empty", {}, "Choose a dead letter to see why it is parked."),
  );
  #problem = element("div");
  #more = element("button", { type: "button", hidden: true, onclick: () => this.#add() }, "More");
  #table = letterTable((letter) => this.#inspect(letter));
  #audit;

  constructor(context) {
    this.#context = context;
    this.#audit = auditTable(context.session.user);
    const inputs = Object.fromEntries(
      ["group", "topic", "key"].map((name) => [
        name,
        element("input", { id: `filter-${name}`, autocomplete: "off", spellcheck: "false" }),
      ]),
    );
    const form = element(
      "form.filter",
      { role: "search", "aria-label": "Dead letters" },
      Object.entries(inputs)
        .map(([name, input]) => [
          element("label", { for: `filter-${name}` }, name[0].toUpperCase() + name.slice(1)),
          input,
        ])
        .flat(),
      element("button", { type: "submit" }, "Filter"),
      element("button", { type: "button", onclick: () => this.load() }, "Look again"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#filter = Object.fromEntries(
        Object.entries(inputs).map(([name, input]) => [name, input.value.trim()]),
      );
      this.load();
    });
    this.node = element(
      "div.letters",
      {},
      panel(
        "Dead letters",
        {
          id: "letters",
          aside: [
            element("span.quiet.small", {}, this.#may ? "" : "administrators redrive and discard"),
          ],
        },
        form,
        this.#problem,
        this.#table.node,
        this.#more,
      ),
      panel("Letter", { id: "letter" }, this.#inspector),
      panel("Done so far", { id: "audit" }, this.#audit.node),
    );
  }

  get #may() {
    return this.#context.session.is("ROLE_ADMIN");
  }

  /** Lists from the beginning. */
  async load() {
    this.#letters = [];
    this.#next = "";
    await Promise.all([this.#add(), this.#loadAudit()]);
  }

  async #add() {
    this.#problem.replaceChildren();
    try {
      const request = { ...this.#filter, page: { size: PAGE, token: this.#next } };
      const { deadLetters = [], page } = await this.#context.calls.call(
        `${LETTERS}/ListDeadLetters`,
        request,
      );
      this.#letters.push(...deadLetters);
      this.#next = page?.nextToken ?? "";
    } catch (error) {
      this.#problem.replaceChildren(problem(error, { again: () => this.load() }));
    }
    this.#more.hidden = !this.#next;
    this.#table.show(this.#letters);
  }

  async #loadAudit() {
    try {
      const { actions = [] } = await this.#context.calls.call(`${LETTERS}/ListDeadLetterAudit`, {
        page: { size: PAGE },
      });
      this.#audit.show(actions);
    } catch (error) {
      this.#audit.node.prepend(problem(error));
    }
  }

  async #inspect(letter) {
    this.#table.choose(keyOf(letter));
    this.#inspector.replaceChildren(element("p.empty", {}, "Loading…"));
    try {
      const { group, position } = letter;
      const shown = await this.#context.calls.call(`${LETTERS}/GetDeadLetter`, { group, position });
      this.#inspector.replaceChildren(this.#shown(shown));
    } catch (error) {
      this.#inspector.replaceChildren(problem(error, { again: () => this.#inspect(letter) }));
    }
  }

  #shown({ deadLetter: letter, json, body, headers = {} }) {
    const rows = [
      ["Reason", letter.reason],
      ["Group", letter.group],
      ["Topic", letter.topic],
      ["Key", element("code", {}, letter.key)],
      ["Event id", element("code", {}, letter.eventId)],
      ["Attempts", count(letter.attempts ?? 0)],
      ["Parked", date(letter.parkedAt)],
      letter.redriveRequested && ["State", "asked to be redriven"],
    ].filter(Boolean);
    return element(
      "div.inspected",
      {},
      element("h3", {}, `${letter.topic} at ${letter.position}`),
      element(
        "dl.facts.tall",
        {},
        rows.map(([name, value]) =>
          element("div", {}, element("dt", {}, name), element("dd", {}, value)),
        ),
      ),
      this.#may &&
        element(
          "div.actions",
          {},
          element(
            "button.primary",
            {
              type: "button",
              onclick: () =>
                this.#redrive({ group: letter.group, position: letter.position }, "this event"),
            },
            "Redrive",
          ),
          letter.key &&
            element(
              "button",
              {
                type: "button",
                onclick: () =>
                  this.#redrive({ group: letter.group, key: letter.key }, "every event of its key"),
              },
              "Redrive key",
            ),
          element(
            "button",
            {
              type: "button",
              onclick: () =>
                this.#redrive({ group: letter.group }, `every event of ${letter.group}`),
            },
            "Redrive group",
          ),
          element(
            "button.danger",
            { type: "button", onclick: () => this.#discard(letter) },
            "Discard",
          ),
        ),
      json
        ? element(
            "pre",
            { tabindex: "0", role: "region", "aria-label": "Event" },
            coloured(indented(json)),
          )
        : element("p.quiet", {}, `It cannot be decoded: ${count(atob(body ?? "").length)} bytes.`),
      element(
        "details",
        {},
        element("summary", {}, "Headers"),
        element(
          "pre",
          { tabindex: "0", role: "region", "aria-label": "Headers" },
          coloured(JSON.stringify(headers, null, 2)),
        ),
      ),
    );
  }

  /** Asks with what would be done, as the platform says. */
  async #redrive(request, what) {
    const { calls } = this.#context;
    try {
      const { events = "0", keys = "0" } = await calls.call(`${LETTERS}/RedriveDeadLetters`, {
        ...request,
        dryRun: true,
      });
      ask({
        title: `Redrive ${what}?`,
        children: [
          element(
            "p",
            {},
            `${amount(events, "event")} of ${amount(keys, "key")} will be handed to ${request.group} again, in order.`,
          ),
          element(
            "p.quiet",
            {},
            "Redrive once the cause is mended: otherwise they are parked again.",
          ),
        ],
        action: `Redrive ${amount(events, "event")}`,
        act: async () => {
          await calls.call(`${LETTERS}/RedriveDeadLetters`, request);
          confirmDone("They are on their way");
          await this.load();
        },
      });
    } catch (error) {
      this.#problem.replaceChildren(problem(error));
    }
  }

  #discard(letter) {
    const reason = element("input", { maxlength: 128, required: true });
    ask({
      title: "Give this event up for good?",
      children: [
        element(
          "p",
          {},
          `${letter.group} will never handle ${letter.topic} at ${letter.position}. This cannot be taken back; it is recorded with your name.`,
        ),
        field("reason", "Why", reason),
      ],
      action: "Discard for good",
      danger: true,
      act: async () => {
        if (!reason.value.trim()) throw new Unfit([{ field: "reason", description: "say why" }]);
        const { group, position } = letter;
        await this.#context.calls.call(`${LETTERS}/DiscardDeadLetter`, {
          group,
          position,
          reason: reason.value.trim(),
        });
        this.#inspector.replaceChildren(element("p.empty", {}, "It is gone."));
        confirmDone("Discarded");
        await this.load();
      },
    });
  }
}

const keyOf = ({ group, position }) => `${group} ${position}`;

function indented(json) {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

function letterTable(picked) {
  return new Table({
    caption: "Dead letters in the order they were parked",
    key: keyOf,
    empty: "No dead letters: every event was handled.",
    picked,
    columns: [
      {
        title: "Parked",
        kind: "quiet",
        mark: ({ parkedAt }) => parkedAt,
        cell: ({ parkedAt }) => element("span", { title: date(parkedAt) }, clock(parkedAt)),
      },
      { title: "Group", cell: ({ group }) => group },
      {
        title: "Topic",
        mark: keyOf,
        cell: (letter) =>
          element("button.link", { type: "button", onclick: () => picked(letter) }, letter.topic),
      },
      { title: "Key", kind: "quiet code", cell: ({ key }) => shortId(key) },
      { title: "Attempts", kind: "number", cell: ({ attempts }) => count(attempts ?? 0) },
      {
        title: "Reason",
        kind: "wide",
        cell: ({ reason, redriveRequested }) =>
          redriveRequested ? `on its way again: ${reason}` : reason,
      },
    ],
  });
}

function auditTable(user) {
  return new Table({
    caption: "Who redrove and discarded what, newest first",
    key: ({ group, position, at, action }) => `${group} ${position} ${at} ${action}`,
    empty: "Nothing has been redriven or discarded.",
    columns: [
      { title: "When", kind: "quiet", cell: ({ at }) => date(at) },
      { title: "What", cell: ({ action }) => action },
      { title: "Group", cell: ({ group }) => group },
      { title: "Position", kind: "number", cell: ({ position }) => position },
      { title: "Who", kind: "quiet", cell: ({ actor }) => who(actor, user) },
      { title: "Why", kind: "wide", cell: ({ reason }) => reason ?? "" },
    ],
  });
}
