import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test, type TestContext } from "node:test";
import { connect } from "amqplib";
import { EventConsumer, type ConsumerOptions, type Settlement } from "../src/event_consumer.js";
import { deadQueue } from "../src/dead_letter.js";
import { FILLED, filled, fingerprint, withPayload } from "./samples.js";
import { Relay } from "./relay.js";

const url = process.env["OUTCRY_AMQP"] ?? "";
const skip = url ? false : "OUTCRY_AMQP is not set";
/** For everything that a test waits for. */
const PATIENCE_MS = 30_000;

/** A queue that is deleted with its dead queue at the end, and a channel to it. */
async function queue(t: TestContext) {
  const name = `typescript.test.${randomUUID()}`;
  const connection = await connect(url);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(name, { durable: true });
  t.after(async () => {
    await channel.deleteQueue(name);
    await channel.deleteQueue(deadQueue(name));
    await connection.close();
  });
  const send = async (...bodies: Uint8Array[]) => {
    const headers = { "outcry-schema": fingerprint() };
    for (const body of bodies) channel.sendToQueue(name, Buffer.from(body), { headers });
    await channel.waitForConfirms();
  };
  return { name, channel, send };
}

/** Consumes until so many messages are settled. */
async function settle(
  count: number,
  options: Partial<ConsumerOptions> & { queue: string },
): Promise<Settlement[]> {
  const settled: Settlement[] = [];
  const end = new AbortController();
  const consumer = new EventConsumer({
    url,
    topics: ["typescript.nothing"],
    handle: () => undefined,
    ...options,
    settled: (one) => {
      settled.push(one);
      options.settled?.(one);
      if (settled.length === count) end.abort();
    },
  });
  await consumer.run(AbortSignal.any([end.signal, AbortSignal.timeout(PATIENCE_MS)]));
  return settled;
}

test(
  "events are handled once, and broken ones are put aside with the rule",
  { skip },
  async (t) => {
    const { name, channel, send } = await queue(t);
    const broken = filled({ lastQuantity: 0n });
    await send(filled(), filled(), broken, withPayload("outcry.orders.v9.Event", new Uint8Array()));
    const handled: string[] = [];
    const settled = await settle(4, {
      queue: name,
      handle: ({ envelope }) => void handled.push(envelope.eventId),
    });
    assert.deepEqual(
      settled.map(({ action }) => action),
      ["handled", "duplicate", "dead", "ignored"],
    );
    assert.equal(handled.length, 1);
    const aside = await channel.get(deadQueue(name), { noAck: true });
    assert.ok(aside);
    assert.deepEqual(aside.content, Buffer.from(broken));
    assert.deepEqual(aside.properties.headers, {
      "outcry-schema": fingerprint(),
      "outcry-reason": "INVALID",
      "outcry-rules": "payload.last_quantity int64.gte_lte",
      "outcry-queue": name,
    });
    assert.equal((await channel.checkQueue(name)).messageCount, 0);
  },
);

test("unknown types are put aside where they must not be left out", { skip }, async (t) => {
  const { name, channel, send } = await queue(t);
  await send(withPayload("outcry.orders.v9.Event", new Uint8Array()));
  await settle(1, { queue: name, unknownTypes: "dead-letter" });
  const aside = await channel.get(deadQueue(name), { noAck: true });
  assert.equal(aside && aside.properties.headers?.["outcry-reason"], "UNKNOWN_TYPE");
});

test("an event whose handler fails comes once more, then is put aside", { skip }, async (t) => {
  const { name, send } = await queue(t);
  await send(filled());
  let calls = 0;
  const handle = () => {
    calls += 1;
    throw new Error("not today");
  };
  const settled = await settle(2, { queue: name, handle });
  assert.deepEqual(
    settled.map(({ action, reason }) => [action, reason]),
    [
      ["returned", undefined],
      ["dead", "NOT_HANDLED"],
    ],
  );
  assert.equal(calls, 2);
});

test("a lost connection is taken up again, and nothing is handled twice", { skip }, async (t) => {
  const { name, send } = await queue(t);
  const broker = new URL(url);
  const relay = new Relay(broker.hostname, Number(broker.port || 5672));
  broker.host = `127.0.0.1:${await relay.open()}`;
  t.after(() => relay.close());
  const events = [1, 2, 3].map(() => filled({}, { eventId: randomUUID() }));
  await send(...events);
  let cuts = 0;
  const handled: string[] = [];
  await settle(3, {
    url: broker.href,
    queue: name,
    prefetch: 2,
    handle: ({ envelope, payload }) => {
      assert.equal(payload.$typeName, FILLED);
      handled.push(envelope.eventId);
    },
    // What was settled last may not have reached the broker: it comes again, as a duplicate.
    settled: ({ action }) => {
      if (action === "handled" && cuts === 0) cuts = relay.cut();
    },
  });
  assert.ok(cuts > 0, "a connection was cut");
  assert.equal(new Set(handled).size, handled.length, "each once");
});
