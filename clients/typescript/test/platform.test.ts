import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { OrderType, Side, TimeInForce } from "../src/gen/outcry/orders/v1/types_pb.js";
import { money } from "../src/money.js";
import { grpcClient } from "../src/node.js";
import { Refusal } from "../src/refusal.js";
import { tell } from "../src/story.js";
import { Relay } from "./relay.js";

const address = process.env["OUTCRY_ADDRESS"] ?? "";
const skip = address ? false : "OUTCRY_ADDRESS is not set";
/** A symbol that somebody sells. */
const SYMBOL = "MSFT";
/** For everything that a test waits for. */
const PATIENCE_MS = 60_000;

function somebody() {
  return { email: `typescript-${randomUUID()}@example.com`, password: randomUUID() };
}

test("a new user deposits, buys, cancels and is refused", { skip }, async () => {
  const outcome = await tell(grpcClient(address), somebody(), { symbol: SYMBOL, quantity: 2n });
  assert.equal(outcome.status, "FILLED");
  assert.equal(outcome.quantity, "2");
  assert.match(outcome.average_price, /^\d+(\.\d*[1-9])?$/);
  assert.equal(outcome.updates[0], "order.created");
  assert.equal(outcome.updates.at(-1), "order.filled");
  assert.notEqual(outcome.cancelled, outcome.order_id);
  assert.equal(outcome.refusal.code, "INVALID_ARGUMENT");
  assert.equal(outcome.refusal.violations[0]?.field, "terms.quantity");
});

test("a wrong password is refused, and says so by its reason", { skip }, async () => {
  await assert.rejects(grpcClient(address).signIn(somebody()), (error) => {
    return error instanceof Refusal && error.reason === "BAD_CREDENTIALS";
  });
});

test("updates go on after a lost connection, each once", { skip }, async (t) => {
  const target = new URL(address);
  const relay = new Relay(target.hostname, Number(target.port || 80));
  const client = grpcClient(`http://127.0.0.1:${await relay.open()}`);
  t.after(() => relay.close());
  const who = somebody();
  await tell(grpcClient(address), who, { symbol: SYMBOL, quantity: 1n });
  await client.signIn(who);
  const requestId = randomUUID();
  const resting = {
    symbol: SYMBOL,
    side: Side.BUY,
    type: OrderType.LIMIT,
    quantity: 1n,
    limitPrice: money("1"),
    timeInForce: TimeInForce.DAY,
  };
  const end = new AbortController();
  const signal = AbortSignal.any([end.signal, AbortSignal.timeout(PATIENCE_MS)]);
  const sequences: bigint[] = [];
  let order: string | undefined;
  let cut = 0;
  for await (const update of client.follow({ signal })) {
    sequences.push(update.sequence);
    if (!order) {
      cut = relay.cut();
      // The same request twice is one order.
      order = (await client.place(resting, { requestId })).orderId;
      assert.equal((await client.place(resting, { requestId })).orderId, order);
      await client.cancel(order);
    }
    if (update.order?.orderId === order && update.topic === "order.cancelled") end.abort();
  }
  assert.ok(cut > 0, "a connection was cut");
  assert.ok(end.signal.aborted, "the cancellation was seen");
  assert.deepEqual(
    sequences,
    sequences.map((_, index) => BigInt(index + 1)),
  );
});
