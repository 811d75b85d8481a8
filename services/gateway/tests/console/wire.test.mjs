// Whether the console reads and writes what the platform does. CONTRACT names the file that the
// gateway serves, GOLDEN the folder with the bytes and the JSON of every event.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Wire } from "../../console/wire.js";

const ENVELOPE = "outcry.events.v1.EventEnvelope";
const contract = JSON.parse(readFileSync(process.env.CONTRACT, "utf8"));
const wire = new Wire(contract);

function golden() {
  const names = readdirSync(process.env.GOLDEN, { recursive: true });
  return names
    .filter((name) => name.endsWith(".binpb"))
    .map((name) => {
      const path = join(process.env.GOLDEN, name);
      const json = JSON.parse(readFileSync(path.replace(/binpb$/, "json"), "utf8"));
      return { name, bytes: new Uint8Array(readFileSync(path)), json };
    });
}

test("every golden event is read as protobuf's JSON has it", () => {
  const events = golden();
  assert.ok(events.length > 100, `only ${events.length} events`);
  for (const { name, bytes, json } of events) {
    assert.deepEqual(wire.decode(ENVELOPE, bytes), json, name);
  }
});

test("what is written is read the same", () => {
  for (const { name, json } of golden()) {
    assert.deepEqual(wire.decode(ENVELOPE, wire.encode(ENVELOPE, json)), json, name);
  }
});

test("numbers are exact to the last of their bits", () => {
  const name = "outcry.types.v1.Money";
  for (const units of [
    "1",
    "-1",
    "127",
    "128",
    "9007199254740991",
    "9007199254740992",
    "-9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
  ]) {
    const money = { currencyCode: "USD", units, nanos: -999_900_000 };
    assert.deepEqual(wire.decode(name, wire.encode(name, money)), money);
  }
});

test("fields of another contract are passed over", () => {
  const name = "outcry.types.v1.Shares";
  const known = wire.encode(name, { symbol: "ACME", quantity: "7" });
  const unknown = [0x98, 0x06, 0x01, 0x9a, 0x06, 0x02, 0x61, 0x62, 0x9d, 0x06, 1, 2, 3, 4];
  const bytes = Uint8Array.from([...unknown, ...known, ...unknown]);
  assert.deepEqual(wire.decode(name, bytes), { symbol: "ACME", quantity: "7" });
});

test("what is cut off is refused at every byte", () => {
  const { bytes } = golden().find(({ name }) => name.includes("order.filled"));
  let refused = 0;
  for (let end = 0; end < bytes.length; end++) {
    try {
      // Cut between two fields, it is a message with fewer fields.
      wire.decode(ENVELOPE, bytes.subarray(0, end));
    } catch {
      refused += 1;
    }
  }
  assert.ok(refused > bytes.length * 0.8, `${refused} of ${bytes.length}`);
});

test("methods take and give messages that the contract has", () => {
  const methods = Object.entries(contract.methods);
  assert.ok(methods.length > 50);
  for (const [method, { takes, gives }] of methods) {
    assert.ok(wire.knows(takes) && wire.knows(gives), method);
  }
});
