// Health: services and their replicas, what waits, how calls go, and whether the invariants hold.

import { Audit } from "./audit.js";
import { element, panel, perFrame } from "./element.js";
import { Feed } from "./feed.js";
import { problem } from "./problem.js";
import { calls, concerns, groups, percentile, rate, replicas, stateOf } from "./standing.js";
import { Table } from "./table.js";
import { tint } from "./tints.js";
import { amount, choice, count, date, shortId, span } from "./words.js";

const STATUS = "outcry.operations.v1.StatusService";

/** How often the tables are drawn, in milliseconds: pictures come once a second. */
const DRAWN_EVERY = 250;

/** Shows them, and to administrators the audit's start. */
export function healthView(main, context) {
  const { calls: platform, signal } = context;
  const badge = element("span.live");
  const health = new Health();
  const audit = new Audit(context);
  main.append(element("h1.unseen", {}, "Health"), health.summary(badge), audit.node, health.node);
  new Feed(platform, `${STATUS}/WatchStatus`, {
    signal,
    badge,
    request: () => ({}),
    take: (picture) => health.take(picture),
    failed: (error) => main.prepend(problem(error)),
  });
}

class Health {
  #picture;
  #concerns = element("div.concerns", {}, element("p.empty", {}, "Asking every service…"));
  /** What has been said of concerns, so that only a change of them is heard. */
  #said;
  #replicas = replicaTable();
  #publishing = publishingTable();
  #groups = groupTable();
  #calls = callTable();
  #draw = perFrame(() => this.#show(), DRAWN_EVERY);
  node = element(
    "div.health",
    {},
    panel("Services and replicas", { id: "replicas" }, this.#replicas.node),
    panel("Consumer groups", { id: "groups" }, this.#groups.node),
    panel("Events to be published", { id: "publishing" }, this.#publishing.node),
    panel("Calls", { id: "calls" }, this.#calls.node),
  );

  /** What somebody should look at. */
  summary(badge) {
    this.#concerns.setAttribute("role", "status");
    return panel("Health", { id: "health", aside: [badge] }, this.#concerns);
  }

  take(picture) {
    this.#picture = picture;
    this.#draw();
  }

  #show() {
    const picture = this.#picture;
    this.#tell(picture);
    this.#replicas.show(replicas(picture));
    this.#publishing.show(picture.services ?? []);
    this.#groups.show(groups(picture));
    this.#calls.show(calls(picture));
  }

  #tell(picture) {
    const found = concerns(picture, Date.now());
    const asked = (picture.services ?? []).length;
    const said = JSON.stringify([found, asked]);
    if (said === this.#said) return;
    this.#said = said;
    this.#concerns.replaceChildren(
      found.length === 0
        ? element("p.outcome.good", {}, `All is well with ${amount(asked, "service")}.`)
        : element(
            "ul.plain",
            {},
            found.map(({ tone, text }) =>
              element(
                "li",
                {},
                element(`span.pill.${tone}`, {}, tone === "bad" ? "now" : "soon"),
                ` ${text}`,
              ),
            ),
          ),
    );
  }
}

const serviceColumn = {
  title: "Service",
  mark: ({ service }) => service,
  cell: ({ service }) => element(`span.pill.service.${tint(service)}`, {}, service),
};

function replicaTable() {
  return new Table({
    caption: "Replicas of every service",
    key: ({ service, address, instance }) => `${service} ${address ?? ""} ${instance ?? ""}`,
    empty: "No service answers.",
    columns: [
      serviceColumn,
      {
        title: "State",
        mark: ({ state, problem: why }) => `${state} ${why ?? ""}`,
        cell: (replica) => {
          const [word, tone] = stateOf(replica);
          return element(`span.pill.${tone}`, { title: replica.problem || false }, word);
        },
      },
      { title: "Run", kind: "quiet code", cell: ({ instance }) => shortId(instance ?? "") },
      { title: "Where", kind: "quiet code", cell: ({ address }) => address || "here" },
      { title: "Version", kind: "quiet", cell: ({ version }) => version ?? "" },
      { title: "Since", kind: "quiet", cell: ({ startedAt }) => date(startedAt) },
      { title: "Slots", kind: "quiet", cell: ({ pools = [] }) => pools.map(held).join(", ") },
      {
        title: "Retries left",
        kind: "quiet",
        cell: ({ retryBudgets = [] }) => retryBudgets.map(left).join(", "),
      },
      {
        title: "Certificate until",
        kind: "quiet",
        cell: ({ certificate }) => date(certificate?.notAfter),
      },
      { title: "Why", kind: "wide", cell: ({ problem: why }) => why ?? "" },
    ],
  });
}

const held = ({ pool, held: slots }) => `${pool} ${count(slots ?? "0")}`;
const left = ({ target, left: retries }) => `${target} ${count(retries ?? 0)}`;

function publishingTable() {
  return new Table({
    caption: "Events that services publish",
    key: ({ service }) => service,
    empty: "No service answers.",
    columns: [
      serviceColumn,
      { title: "Published/s", kind: "number", cell: (one) => rate(one.publishedPerSecond) },
      { title: "Waiting", kind: "number", cell: (one) => count(one.unsentEvents ?? "0") },
      {
        title: "Oldest",
        kind: "number",
        cell: ({ oldestUnsentMs = "0" }) =>
          oldestUnsentMs === "0" ? "–" : span(Number(oldestUnsentMs) * 1000),
      },
      { title: "Not taken/s", kind: "number", cell: (one) => rate(one.publishFailuresPerSecond) },
    ],
  });
}

function groupTable() {
  return new Table({
    caption: "What waits for consumer groups",
    key: ({ service, group }) => `${service} ${group}`,
    empty: "No service consumes.",
    columns: [
      { title: "Group", cell: ({ group }) => group },
      { title: "Handled/s", kind: "number", cell: (one) => rate(one.handledPerSecond) },
      { title: "Waiting", kind: "number", cell: ({ lag }) => count(lag ?? "0") },
      {
        title: "By partition",
        kind: "quiet",
        cell: ({ partitionLag = [] }) => partitionLag.map((one) => count(one)).join(" · "),
      },
      { title: "Retries/s", kind: "number", cell: (one) => rate(one.retriedPerSecond) },
      { title: "Parked/s", kind: "number", cell: (one) => rate(one.parkedPerSecond) },
      {
        title: "Parked keys",
        kind: "number",
        mark: ({ parkedKeys }) => parkedKeys ?? "0",
        cell: ({ parkedKeys = "0" }) =>
          parkedKeys === "0" ? "0" : element("a", { href: "#/letters" }, count(parkedKeys)),
      },
    ],
  });
}

function callTable() {
  return new Table({
    caption: "Calls of every service by what they do",
    key: ({ service, methodClass }) => `${service} ${methodClass}`,
    empty: "Nothing was called yet.",
    columns: [
      serviceColumn,
      { title: "Calls", cell: ({ methodClass }) => choice(methodClass, "METHOD_CLASS_") },
      { title: "Calls/s", kind: "number", cell: (one) => rate(one.callsPerSecond) },
      { title: "Half within", kind: "number", cell: ({ p50Us }) => percentile(p50Us) },
      { title: "99 of 100 within", kind: "number", cell: ({ p99Us }) => percentile(p99Us) },
      { title: "Refused/s", kind: "number", cell: (one) => rate(one.refusedPerSecond) },
      { title: "Failed/s", kind: "number", cell: (one) => rate(one.failedPerSecond) },
    ],
  });
}
