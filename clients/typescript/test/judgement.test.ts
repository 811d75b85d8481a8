import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { deadHeaders, deadQueue } from "../src/dead_letter.js";
import { AssetAmountSchema } from "../src/gen/outcry/types/v1/money_pb.js";
import { judge, type Judgement } from "../src/judgement.js";
import { brokenRules, type Violation } from "../src/rules.js";
import { EVENT_ID, FILLED, filled, fingerprint, withPayload } from "./samples.js";

function dead(judgement: Judgement) {
  return judgement.verdict.kind === "dead" ? judgement.verdict : undefined;
}

test("an event that keeps the contract is sound", () => {
  const { verdict, ...seen } = judge(filled(), fingerprint());
  assert.equal(verdict.kind, "sound");
  assert.equal(seen.eventId, EVENT_ID);
  assert.equal(seen.topic, "order.filled");
  assert.equal(seen.type, FILLED);
  assert.equal(seen.schema, "same");
});

test("the schema of the sender is compared", () => {
  assert.equal(judge(filled(), undefined).schema, "unknown");
  assert.equal(judge(filled(), "0".repeat(64)).schema, "differs");
});

test("rules broken in the envelope and in the payload are all listed", () => {
  const verdict = dead(judge(filled({ lastQuantity: 0n }, { eventId: "x" }), undefined));
  assert.equal(verdict?.reason, "INVALID");
  assert.deepEqual(verdict?.violations, [
    { field: "event_id", rule: "string.uuid" },
    { field: "payload.last_quantity", rule: "int64.gte_lte" },
  ]);
});

test("an envelope without a payload breaks a rule", () => {
  const verdict = dead(judge(new Uint8Array(), undefined));
  assert.equal(verdict?.reason, "INVALID");
  assert.ok(verdict?.violations.some((one) => one.field === "payload" && one.rule === "required"));
});

test("what is no envelope is unreadable", () => {
  assert.equal(dead(judge(Buffer.from([0xff, 0xff]), undefined))?.reason, "UNREADABLE");
});

test("a payload that is not of its type is unreadable", () => {
  const body = withPayload(FILLED, Uint8Array.of(0xff));
  assert.equal(dead(judge(body, undefined))?.reason, "UNREADABLE");
});

test("text that is not UTF-8 is unreadable", () => {
  // Field 1, two bytes long.
  const body = withPayload(FILLED, Uint8Array.of(0x0a, 0x02, 0xc3, 0x28));
  assert.equal(dead(judge(body, undefined))?.reason, "UNREADABLE");
});

test("a version that is not known yet is refused before its rules are looked at", () => {
  const verdict = dead(judge(filled({ lastQuantity: 0n }, { schemaVersion: 2 }), undefined));
  assert.deepEqual([verdict?.reason, verdict?.violations], ["NEWER_SCHEMA", []]);
});

test("a type that is not an event of the contract is unknown", () => {
  for (const type of ["outcry.orders.v9.OrderMovedEvent", "outcry.orders.v1.OrderTerms", ""]) {
    const { verdict } = judge(withPayload(type, new Uint8Array()), undefined);
    assert.equal(verdict.kind, "unknown-type", type);
  }
});

test("an unknown type decides nothing when the envelope breaks a rule", () => {
  const payload = { typeUrl: "type.googleapis.com/outcry.orders.v9.OrderMovedEvent" };
  const verdict = dead(judge(filled({}, { payload, source: "orders" }), undefined));
  assert.deepEqual(verdict?.violations, [{ field: "source", rule: "string.pattern" }]);
});

test("a oneof that must be set is named by its own name", () => {
  assert.deepEqual(brokenRules(AssetAmountSchema, create(AssetAmountSchema), "locked"), [
    { field: "locked.asset", rule: "required" },
  ]);
});

test("the rules of a dead message fit its headers", () => {
  const violations = Array<Violation>(16_384).fill({ field: "payload.side", rule: "enum.not_in" });
  const rules = String(deadHeaders({}, "audit", "INVALID", violations)["outcry-rules"]);
  assert.equal(rules.length, 16_384);
  assert.match(rules, /^payload\.side enum\.not_in, payload/);
});

test("a dead message keeps its headers and says why", () => {
  const violations = [
    { field: "event_id", rule: "string.uuid" },
    { field: "payload.last_quantity", rule: "int64.gte_lte" },
  ];
  assert.deepEqual(deadHeaders({ "ce-id": "1" }, "audit", "INVALID", violations), {
    "ce-id": "1",
    "outcry-reason": "INVALID",
    "outcry-rules": "event_id string.uuid, payload.last_quantity int64.gte_lte",
    "outcry-queue": "audit",
  });
  assert.equal(deadQueue("audit"), "audit.dead");
});
