import assert from "node:assert/strict";
import { test } from "node:test";
import { meaning, progress, verdict } from "../../console/invariants.js";
import { concerns, flows, percentile, rate, replicas, stateOf } from "../../console/standing.js";

const NOW = Date.parse("2030-01-01T00:00:00Z");
const well = {
  service: "funds",
  replicas: [
    {
      instance: "a",
      state: "REPLICA_STATE_READY",
      retryBudgets: [{ target: "users", left: 10 }],
      certificate: { notAfter: "2030-02-01T00:00:00Z" },
    },
  ],
  publishedPerSecond: 12.4,
  groups: [{ group: "funds", handledPerSecond: 3.25, lag: "7", partitionLag: ["7", "0"] }],
};
const texts = (picture) => concerns(picture, NOW).map(({ tone, text }) => `${tone}: ${text}`);

test("a platform that is well has no concerns", () => {
  assert.deepEqual(concerns({ services: [well] }, NOW), []);
  assert.deepEqual(concerns({}, NOW), []);
});

test("what is silent, parked or waits for long is said first", () => {
  const picture = {
    services: [
      {
        ...well,
        replicas: [
          { address: "http://b", state: "REPLICA_STATE_NOT_READY" },
          { address: "http://c", state: "REPLICA_STATE_SILENT", problem: "nobody there" },
        ],
        oldestUnsentMs: "61000",
        groups: [
          { group: "funds", lag: "5000" },
          { group: "other", parkedKeys: "2" },
        ],
      },
    ],
  };
  assert.deepEqual(texts(picture), [
    "bad: funds at http://c does not answer: nobody there",
    "bad: an event of funds has waited 61.0 s to be published",
    "bad: other has parked keys: see the dead letters",
    "warn: funds at http://b is not ready",
    "warn: 5,000 events wait for funds",
  ]);
});

test("budgets without retries and certificates that end are warned of, once for a process", () => {
  const replica = {
    state: "REPLICA_STATE_READY",
    retryBudgets: [{ target: "users" }],
    certificate: { notAfter: "2030-01-02T00:00:00Z", reloadFailing: true },
  };
  const found = texts({ services: [{ ...well, replicas: [replica, replica] }] });
  assert.deepEqual(found, [
    "warn: funds has no retries left for users",
    "warn: the new certificate of funds cannot be used",
    "warn: the certificate of funds ends soon: 2030-01-02T00:00:00Z",
  ]);
});

test("the map tells rates, and what waits or is parked", () => {
  const { publishers, consumers } = flows({
    services: [
      well,
      {
        service: "orders",
        unsentEvents: "3",
        oldestUnsentMs: "20000",
        groups: [
          { group: "orders", handledPerSecond: 250.4, lag: "1500" },
          { group: "parked", parkedKeys: "1" },
        ],
      },
    ],
  });
  assert.deepEqual(publishers.get("funds"), { text: "12/s", state: "" });
  assert.deepEqual(publishers.get("orders"), { text: "0/s · 3 wait", state: "stuck" });
  assert.deepEqual(consumers.get("funds"), { text: "3.3/s · 7 wait", state: "" });
  assert.deepEqual(consumers.get("orders"), { text: "250/s · 1,500 wait", state: "late" });
  assert.deepEqual(consumers.get("parked"), { text: "0/s · 1 parked", state: "stuck" });
});

test("replicas are listed with their services, and states are words", () => {
  const [one] = replicas({ services: [well] });
  assert.equal(one.service, "funds");
  assert.deepEqual(stateOf(one), ["ready", "good"]);
  assert.deepEqual(stateOf({}), ["unknown", "dim"]);
});

test("rates and percentiles are read easily", () => {
  assert.deepEqual([rate(), rate(0.4), rate(9.96), rate(1234.5)], ["0", "0.4", "10.0", "1235"]);
  assert.deepEqual([percentile(), percentile("800"), percentile("8000")], [
    "–",
    "≤ 800 µs",
    "≤ 8.0 ms",
  ]);
});

test("an audit holds, is broken or has not been", () => {
  const holds = { name: "I8", checks: "4" };
  assert.equal(verdict(undefined), "unknown");
  assert.equal(verdict({ invariants: [holds] }), "holds");
  assert.equal(verdict({ invariants: [holds, { ...holds, breaches: "1" }] }), "broken");
  assert.equal(progress({ stepsDone: 4, steps: 16 }), 25);
  assert.equal(progress({}), 0);
  assert.ok(meaning("I8").includes("order"));
  assert.equal(meaning("constructor"), "constructor");
});
