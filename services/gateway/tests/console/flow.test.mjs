import assert from "node:assert/strict";
import { test } from "node:test";
import { cast, readers, steps } from "../../console/flow.js";

const BEGIN = Date.parse("2026-01-02T03:04:05.000Z");

/** An event of a flow: what caused it, and milliseconds after the first. */
function logged(position, eventId, causationId, source, after) {
  const occurredAt = new Date(BEGIN + after).toISOString();
  return {
    position: String(position),
    event: {
      eventId,
      causationId,
      source,
      eventType: `${source.slice(1)}.${eventId}`,
      occurredAt,
      actor: "user:7",
      correlationId: "c",
    },
  };
}

test("effects come after their causes, each with the time it took", () => {
  const found = steps([
    logged(10, "a", undefined, "/orders", 0),
    logged(11, "b", "a", "/funds", 20),
    logged(12, "d", "a", "/trades", 50),
    logged(13, "c", "b", "/ledger", 30),
  ]);
  const shown = found.map(({ event, depth, parent, at, took }) => [
    event.eventType,
    depth,
    parent,
    at,
    took,
  ]);
  assert.deepEqual(shown, [
    ["command", 0, -1, 0, 0],
    ["orders.a", 1, 0, 0, 0],
    ["funds.b", 2, 1, 20_000, 20_000],
    ["ledger.c", 3, 2, 30_000, 10_000],
    ["trades.d", 2, 1, 50_000, 50_000],
  ]);
  assert.deepEqual(cast(found), ["caller", "orders", "funds", "trades", "ledger"]);
});

test("an event whose cause is not to be seen is an effect of the command", () => {
  const found = steps([logged(1, "a", "hidden", "/funds", 0), logged(2, "b", "b", "/funds", 1)]);
  assert.deepEqual(
    found.map(({ parent }) => parent),
    [-1, 0, 0],
  );
});

test("a flow of thousands of steps is told without running out of stack", () => {
  const chain = Array.from({ length: 4000 }, (_, n) =>
    logged(n + 1, `e${n}`, n > 0 ? `e${n - 1}` : undefined, "/orders", n),
  );
  const found = steps(chain);
  assert.equal(found.length, 4001);
  assert.equal(found.at(-1).took, 1000);
});

test("no events are no flow", () => {
  assert.deepEqual(steps([]), []);
});

test("readers are services, once each, without the writer", () => {
  const type = { consumers: ["orders", "orders.timers", "reports", "funds"] };
  assert.deepEqual(readers(type, "funds"), ["orders", "reports"]);
  assert.deepEqual(readers(undefined, "funds"), []);
});
