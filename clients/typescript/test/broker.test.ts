import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test, type TestContext } from "node:test";
import { inspect } from "node:util";
import { connect } from "amqplib";
import { EventConsumer, type ConsumerOptions, type Settlement } from "../src/event_consumer.js";
import { deadQueue } from "../src/dead_letter.js";
import { HandlingError, QueueError } from "../src/queue.js";
import { EVENT_ID, FILLED, filled, fingerprint, withPayload } from "./samples.js";
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

/** Consumes until so many messages are settled, or what is settled is enough. */
async function settle(
  enough: number | ((settled: Settlement[]) => boolean),
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
      if (typeof enough === "number" ? settled.length === enough : enough(settled)) end.abort();
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

test(
  "a handler's failure ends the run with its error, and the event stays",
  { skip },
  async (t) => {
    const { name, channel, send } = await queue(t);
    await send(filled(), filled({}, { eventId: randomUUID() }));
    const why = new Error("the database is away");
    const failing = { queue: name, handle: () => Promise.reject(why) };
    // The second time it is one that was delivered before.
    for (const _ of [1, 2]) {
      await assert.rejects(settle(1, failing), (error) => {
        return (
          error instanceof HandlingError &&
          error.cause === why &&
          error.message.includes(EVENT_ID) &&
          error.message.includes(why.message)
        );
      });
    }
    const settled = await settle(2, { queue: name });
    assert.deepEqual(
      settled.map(({ action, judgement }) => [action, judgement.eventId === EVENT_ID]),
      [
        ["handled", true],
        ["handled", false],
      ],
    );
    assert.equal((await channel.checkQueue(deadQueue(name))).messageCount, 0);
  },
);

test("a memory of events that fails ends the run, too", { skip }, async (t) => {
  const { name, send } = await queue(t);
  await send(filled());
  const why = new Error("the database is away");
  const seen = { has: () => Promise.reject(why), add: () => undefined };
  await assert.rejects(settle(1, { queue: name, seen }), { name: "HandlingError", cause: why });
});

test("an address that cannot be one is refused at once, without its password", async () => {
  const secret = "s3cret";
  for (const wrong of [
    `user:${secret}@host`,
    `http://user:${secret}@host`,
    `amqp://user:${secret}@host:port`,
    `amqp://user:${secret}%@host`,
    `amqp:${secret}`,
  ]) {
    await assert.rejects(settle(1, { queue: "none", url: wrong }), (error) => {
      return (
        error instanceof QueueError &&
        error.cause === undefined &&
        error.message.startsWith("write the address as amqp://") &&
        !inspect(error).includes(secret)
      );
    });
  }
});

test("connections that brought something are not counted as failed", { skip }, async (t) => {
  const { name, send } = await queue(t);
  const broker = new URL(url);
  const relay = new Relay(broker.hostname, Number(broker.port || 5672));
  broker.host = `127.0.0.1:${await relay.open()}`;
  t.after(() => relay.close());
  // More than a consumer takes in a row; whether or not an acknowledgement gets through.
  const cuts = 14;
  await send(...Array.from({ length: cuts }, () => filled({}, { eventId: randomUUID() })));
  let lost = 0;
  const settled = await settle(
    () => {
      relay.cut();
      return lost === cuts - 1;
    },
    { url: broker.href, queue: name, prefetch: 1, log: () => void (lost += 1) },
  );
  assert.equal(lost, cuts - 1);
  assert.ok(settled.length >= cuts);
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
  // The acknowledgement of the first is lost with the connection, so it comes again.
  const again = (settled: Settlement[]) => settled.some(({ action }) => action === "duplicate");
  const settled = await settle((some) => handled.length === 3 && again(some), {
    url: broker.href,
    queue: name,
    prefetch: 2,
    handle: async ({ envelope, payload }) => {
      assert.equal(payload.$typeName, FILLED);
      handled.push(envelope.eventId);
      if (cuts > 0) return;
      cuts = relay.cut();
      // The connection is known to be lost, and the event still being handled.
      await relay.quiet();
    },
  });
  assert.ok(again(settled), "it came again");
  assert.ok(cuts > 0, "a connection was cut");
  assert.equal(handled.length, 3);
  assert.equal(new Set(handled).size, 3, "each once");
});
