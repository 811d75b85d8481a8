// The contract: every event type with its fields, who publishes it and who consumes it.

import { element, panel } from "./element.js";
import { problem } from "./problem.js";
import { tint } from "./tints.js";
import { amount, choice } from "./words.js";

const LIST = "outcry.eventlog.v1.EventLogService/ListEventTypes";

/** Shows the catalog with one event type or message, as the address has it. */
export async function catalogView(main, context) {
  const { calls, contract, rest, signal } = context;
  main.append(element("h1.unseen", {}, "Contract"));
  let types;
  try {
    types = (await calls.call(LIST)).eventTypes ?? [];
  } catch (error) {
    if (!signal.aborted) main.append(problem(error, { again: () => location.reload() }));
    return;
  }
  if (signal.aborted) return;
  const wanted = rest[0] ?? "";
  const type =
    types.find(({ topic }) => topic === wanted) ?? types.find(({ message }) => message === wanted);
  const message = type?.message ?? (Object.hasOwn(contract.messages, wanted) ? wanted : "");
  const input = element("input", {
    id: "search",
    type: "search",
    placeholder: "topic, field, service",
    autocomplete: "off",
    spellcheck: "false",
  });
  const found = element("p.quiet.small", { role: "status" });
  const list = element("div.catalog-list");
  const draw = () => {
    const shown = types.filter((one) => fits(one, contract, input.value));
    found.textContent = `${amount(shown.length, "event type")} of ${types.length}`;
    list.replaceChildren(
      ...byOwner(shown).map(([owner, theirs]) =>
        element(
          "section",
          {},
          element("h3", {}, element(`span.pill.service.${tint(owner)}`, {}, owner)),
          element(
            "ul.plain",
            {},
            theirs.map((one) => entry(one, one === type)),
          ),
        ),
      ),
    );
  };
  input.addEventListener("input", draw);
  draw();
  main.append(
    element(
      "div.catalog",
      {},
      panel(
        "Event types",
        { id: "types" },
        element("div.filter", {}, element("label.unseen", { for: "search" }, "Search"), input),
        found,
        list,
      ),
      message
        ? panel(
            type?.topic ?? message,
            { id: "type" },
            type && facts(type),
            fields(contract, message),
            nested(contract, message),
          )
        : panel(
            "Event type",
            { id: "type" },
            element(
              "p.empty",
              {},
              "Choose an event type to see its fields, its publisher and its consumers.",
            ),
          ),
    ),
  );
  list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

/** Whether all the words are somewhere in a type: its topic, owner, consumers or fields. */
function fits({ topic, owner, message, consumers = [] }, contract, text) {
  const names = (contract.messages[message] ?? []).map(([, name]) => name);
  const all = [topic, owner, message, ...consumers, ...names].join(" ").toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

function byOwner(types) {
  const owners = new Map();
  for (const type of types) {
    if (!owners.has(type.owner)) owners.set(type.owner, []);
    owners.get(type.owner).push(type);
  }
  return [...owners].sort(([a], [b]) => (a < b ? -1 : 1));
}

function entry({ topic, supersededBy }, current) {
  return element(
    "li",
    {},
    element("a", { href: `#/catalog/${topic}`, "aria-current": current ? "true" : false }, topic),
    supersededBy && element("span.pill.dim", {}, "superseded"),
  );
}

function facts({
  topic,
  message,
  owner,
  schemaVersion,
  extension,
  consumers = [],
  supersededBy,
  publishedUntil,
}) {
  const rows = [
    ["Message", element("code", {}, message)],
    ["Published by", element(`span.pill.service.${tint(owner)}`, {}, owner)],
    [
      "Consumed by",
      consumers.length > 0
        ? element(
            "span.chips",
            {},
            consumers.map((group) => element("span.pill", {}, group)),
          )
        : "nobody but the archive",
    ],
    ["Version", String(schemaVersion ?? 1)],
    extension && ["Extension", "yes"],
    supersededBy && [
      "Next version",
      element("a", { href: `#/catalog/${supersededBy}` }, supersededBy),
    ],
    publishedUntil && ["Published until", publishedUntil],
    ["Live", element("a", { href: `#/events/${topic}` }, "watch in the tail")],
  ].filter(Boolean);
  return element(
    "dl.facts.tall",
    {},
    rows.map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, value)),
    ),
  );
}

function fields(contract, message) {
  const rows = contract.messages[message].map(([number, name, kind, label]) => {
    const [sort, of] = kind.includes(":") ? kind.split(":") : [kind, ""];
    return element(
      "tr",
      {},
      element("td.number.quiet", {}, number),
      element("td", {}, element("code", {}, name)),
      element(
        "td",
        {},
        label && element("span.quiet", {}, `${label} `),
        kindText(contract, sort, of),
      ),
    );
  });
  return element(
    "div.scroll",
    { tabindex: "0", role: "region", "aria-label": `Fields of ${message}` },
    element(
      "table",
      {},
      element("caption.unseen", {}, `Fields of ${message}`),
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          ["No.", "Field", "Kind"].map((title) =>
            element("th", { scope: "col", class: title === "No." ? "number" : false }, title),
          ),
        ),
      ),
      element("tbody", {}, rows),
    ),
    rows.length === 0 && element("p.empty", {}, "It has no fields."),
  );
}

function kindText(contract, sort, name) {
  if (sort === "enum") {
    const values = Object.values(contract.enums[name] ?? {});
    // Values begin with the enum's own name.
    const prefix = values[0]?.replace(/UNSPECIFIED$/, "") ?? "";
    return element(
      "details",
      {},
      element("summary", {}, element("code", {}, name.split(".").at(-1))),
      element(
        "span.chips",
        {},
        values.slice(1).map((value) => element("span.pill", {}, choice(value, prefix))),
      ),
    );
  }
  if (sort !== "message") return element("code", {}, sort);
  const text = element("code", {}, name.split(".").at(-1));
  return contract.messages[name] ? element("a", { href: `#/catalog/${name}` }, text) : text;
}

/** Messages that a message has in its fields, each once. */
function nested(contract, message) {
  const names = new Set(
    contract.messages[message]
      .map(([, , kind]) => kind)
      .filter((kind) => kind.startsWith("message:"))
      .map((kind) => kind.slice(8)),
  );
  const known = [...names].filter((name) => contract.messages[name] && name !== message);
  return known.map((name) =>
    element(
      "details.nested",
      {},
      element("summary", {}, element("code", {}, name)),
      fields(contract, name),
    ),
  );
}
