import assert from "node:assert/strict";
import { test } from "node:test";
import { Book } from "../../console/book.js";
import { findings } from "../../console/ticket.js";

const usd = (units, nanos) => ({
  currencyCode: "USD",
  units: String(units),
  ...(nanos && { nanos }),
});
const level = (units, quantity) => ({
  price: usd(units),
  ...(quantity && { quantity: String(quantity) }),
  orders: 1,
});

test("a book is its snapshot and the changes after it", () => {
  const book = new Book();
  book.take({
    snapshot: true,
    bids: [level(99, 5), level(98, 7)],
    asks: [level(101, 3)],
    venueSequence: "4",
  });
  book.take({ bids: [level(100, 2), level(98)], lastPrice: usd(100), venueSequence: "5" });
  assert.deepEqual(
    book.levels("bids").map(({ price, quantity }) => [price, quantity]),
    [
      [1_000_000n, 2],
      [990_000n, 5],
    ],
  );
  assert.deepEqual(
    book.levels("asks").map(({ quantity }) => quantity),
    [3],
  );
  assert.equal(book.sequence, "5");
  assert.equal(book.last, 1_000_000n);
  book.take({ snapshot: true, asks: [level(105, 1)], venueSequence: "9" });
  assert.deepEqual(book.levels("bids"), []);
});

test("an order is checked by the rules of its instrument", () => {
  const instrument = {
    tick: usd(0, 10_000_000),
    lot: "10",
    maxOrderQuantity: "1000",
    maxOrderValue: usd(50_000),
  };
  const fields = (order, needs = { limit: true, stop: false }) =>
    findings(order, needs, instrument).map(({ field }) => field);
  assert.deepEqual(fields({ quantity: 10n, limit: 1_000_100n }), []);
  assert.deepEqual(fields({ quantity: 15n, limit: 1_000_100n }), ["terms.quantity"]);
  assert.deepEqual(fields({ quantity: 1010n, limit: 10_000n }), ["terms.quantity"]);
  assert.deepEqual(fields({ quantity: undefined, limit: undefined }), [
    "terms.quantity",
    "terms.limit_price",
  ]);
  assert.deepEqual(fields({ quantity: 10n, limit: 1_000_150n }), ["terms.limit_price"]);
  assert.deepEqual(
    fields({ quantity: 1000n, limit: 1_000_000n }),
    ["terms.quantity"],
    "worth too much",
  );
  assert.deepEqual(fields({ quantity: 10n }, { limit: false, stop: true }), ["terms.stop_price"]);
});
