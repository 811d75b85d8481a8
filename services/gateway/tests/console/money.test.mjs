import assert from "node:assert/strict";
import { test } from "node:test";
import { money, parseMoney, parts, plain, signed, toMoney } from "../../console/money.js";

test("amounts are read as people write them, and nothing else is", () => {
  for (const [text, value] of [
    ["101.25", 1_012_500n],
    [" 7 ", 70_000n],
    ["0.0001", 1n],
    ["900000000000000", 9_000_000_000_000_000_000n],
  ]) {
    assert.equal(parseMoney(text), value, text);
  }
  for (const text of ["", "1.00001", "-1", "1,000", "1e3", ".5", "1.", "abc"]) {
    assert.equal(parseMoney(text), undefined, text);
  }
});

test("what is sent is what was read", () => {
  for (const value of [0n, 1n, 9_999n, 10_000n, 1_012_500n, -1n, -1_012_500n]) {
    assert.equal(parts(toMoney(value, "USD")), value);
  }
  assert.deepEqual(toMoney(1_012_500n, "USD"), {
    currencyCode: "USD",
    units: "101",
    nanos: 250_000_000,
  });
});

test("amounts are shown with thousands apart and as many decimals as there are", () => {
  assert.equal(
    money({ currencyCode: "USD", units: "1234567", nanos: 500_000_000 }),
    "1,234,567.50",
  );
  assert.equal(money({ currencyCode: "USD", units: "97991", nanos: 193_200_000 }), "97,991.1932");
  assert.equal(money({ currencyCode: "USD", units: "-5", nanos: -405_000_000 }), "−5.405");
  assert.equal(money(undefined), "–");
  assert.equal(plain(10_000_000n, { grouped: false }), "1000.00");
  assert.equal(signed({ currencyCode: "USD", units: "1" }), "+1.00");
});
