import { connect, type ChannelModel, type ConfirmChannel, type ConsumeMessage } from "amqplib";
import { deadQueue } from "./dead_letter.js";
import { backoff, pause, within } from "./pause.js";

/** Where every event of the platform is published. */
const EXCHANGE = "outcry.events";
/** How a broker's address may begin. */
const SCHEMES = new Set(["amqp:", "amqps:"]);
/** Messages a server sends ahead: enough to keep a handler busy, little to redeliver when it dies. */
export const PREFETCH = 64;
/** Taking up a connection, in milliseconds: longer than a server under load takes. */
const CONNECT_TIMEOUT_MS = 10_000;
/** A silent connection counts as lost after two of these, in seconds. */
const HEARTBEAT_S = 10;
/** How long a server may take to confirm that it has kept a message, in milliseconds. */
const CONFIRM_TIMEOUT_MS = 10_000;
/** How long a connection may take to end, in milliseconds; the server notices by itself after that. */
const CLOSE_TIMEOUT_MS = 5_000;
/** Failed connections in a row after which a consumer gives up: about two minutes. */
const ATTEMPTS = 12;
/** First and longest wait before a new connection, in milliseconds. */
const RECONNECT = { first: 200, longest: 15_000 };
/** A connection that lasted this long, in milliseconds, ends a row of failed ones. */
const LASTED_MS = 60_000;

/** A queue of one's own, and what it gets. */
export interface QueueOptions {
  /** `amqp://user:password@host:port/%2f`; never logged. */
  readonly url: string;
  readonly queue: string;
  /** Topic patterns: `order.*`, `#`. */
  readonly topics: readonly string[];
  /** Messages taken ahead. */
  readonly prefetch?: number;
  /** Told of lost connections. */
  readonly log?: (line: string) => void;
}

/** A message of the queue. One of the two settles it; one that is not settled comes again. */
export interface Delivery {
  readonly message: ConsumeMessage;
  acknowledge(): void;
  /** Acknowledges it once the server has confirmed to keep a copy, with these headers, in the dead queue. */
  putAside(headers: Record<string, unknown>): Promise<void>;
}

/** What no new connection would mend. */
export class QueueError extends Error {
  override readonly name: string = "QueueError";
}

/** The handler, or its memory of events, failed: the event is still in the queue. `cause` says why. */
export class HandlingError extends QueueError {
  override readonly name = "HandlingError";
}

/** Makes the queue and its dead queue and binds it, without taking anything from it. */
export async function makeQueue(options: QueueOptions): Promise<void> {
  const connection = await open(options);
  const channel = await connection.createConfirmChannel();
  // What goes wrong is what the calls below end with.
  channel.on("error", () => undefined);
  try {
    await declare(channel, options);
  } catch (error) {
    throw explained(error);
  } finally {
    await within(CLOSE_TIMEOUT_MS, close(connection, channel)).catch(() => undefined);
  }
}

/**
 * Makes the queue as `makeQueue` does, and hands over one message after the other until
 * `signal` aborts. A lost connection is taken up again; what was not acknowledged comes again then.
 */
export async function followQueue(
  options: QueueOptions,
  take: (delivery: Delivery) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  const taking = async (delivery: Delivery) => {
    await take(delivery);
    // A connection over which a message was settled was a good one.
    failures = 0;
  };
  while (!signal.aborted) {
    const since = Date.now();
    try {
      await followOnce(options, taking, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof QueueError) throw error;
      failures = Date.now() - since > LASTED_MS ? 1 : failures + 1;
      const why = error instanceof Error ? error.message : String(error);
      if (failures >= ATTEMPTS) {
        throw new QueueError(`consuming broke off ${failures} times in a row: ${why}`);
      }
      options.log?.(`consuming broke off and is taken up again: ${why}`);
      await pause(backoff(failures, RECONNECT), signal);
    }
  }
}

async function followOnce(
  options: QueueOptions,
  take: (delivery: Delivery) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const connection = await open(options);
  const over = new AbortController();
  let channel: ConfirmChannel | undefined;
  let busy = Promise.resolve();
  try {
    channel = await connection.createConfirmChannel();
    const opened = channel;
    await new Promise<void>((done, failed) => {
      const fail = (error: unknown) => {
        over.abort();
        failed(explained(error));
      };
      if (signal.aborted) return done();
      signal.addEventListener("abort", () => done(), { signal: over.signal });
      connection.on("error", fail);
      connection.on("close", (error) => fail(error ?? new Error("the server closed it")));
      opened.on("error", fail);
      opened.on("close", () => fail(new Error("the server closed the channel")));
      const onMessage = (message: ConsumeMessage | null) => {
        if (message === null) return fail(new Error(`the queue ${options.queue} was deleted`));
        busy = busy.then(async () => {
          if (signal.aborted || over.signal.aborted) return;
          await take(delivery(opened, options.queue, message)).catch(fail);
        });
      };
      consume(opened, options, onMessage).catch(fail);
    });
  } finally {
    // What is being handled comes again on the next connection, which must not be before it is done.
    await busy;
    over.abort();
    await within(CLOSE_TIMEOUT_MS, close(connection, channel)).catch(() => undefined);
  }
}

/** The channel first: acknowledgements that are on their way would be lost with the connection. */
async function close(connection: ChannelModel, channel: ConfirmChannel | undefined): Promise<void> {
  try {
    await channel?.close();
  } finally {
    await connection.close();
  }
}

/** Whoever reads a broker's address wrong is not told the address: there is a password in it. */
function brokerAddress(text: string): URL {
  try {
    const url = new URL(text);
    // The broker's library decodes its parts, and fails at each attempt when they cannot be.
    decodeURIComponent(url.href);
    if (SCHEMES.has(url.protocol) && url.hostname) return url;
  } catch {
    // The parser's own error quotes what it was given.
  }
  throw new QueueError("write the address as amqp://user:password@host:port/%2f");
}

async function open(options: QueueOptions): Promise<ChannelModel> {
  const url = brokerAddress(options.url);
  url.searchParams.set("heartbeat", String(HEARTBEAT_S));
  try {
    const connection = await connect(url.href, { timeout: CONNECT_TIMEOUT_MS });
    // One without a listener would end the process.
    connection.on("error", () => undefined);
    return connection;
  } catch (error) {
    throw explained(error);
  }
}

async function declare(channel: ConfirmChannel, { queue, topics }: QueueOptions): Promise<void> {
  // Only looked for: it is the platform's, and a queue bound to another one would stay empty.
  await channel.checkExchange(EXCHANGE);
  await channel.assertQueue(deadQueue(queue), { durable: true });
  await channel.assertQueue(queue, { durable: true });
  for (const topic of topics) await channel.bindQueue(queue, EXCHANGE, topic);
}

async function consume(
  channel: ConfirmChannel,
  options: QueueOptions,
  onMessage: (message: ConsumeMessage | null) => void,
): Promise<void> {
  await declare(channel, options);
  await channel.prefetch(options.prefetch ?? PREFETCH);
  await channel.consume(options.queue, onMessage);
}

function delivery(channel: ConfirmChannel, queue: string, message: ConsumeMessage): Delivery {
  return {
    message,
    acknowledge: () => channel.ack(message),
    putAside: async (headers) => {
      await keep(channel, deadQueue(queue), message, headers);
      channel.ack(message);
    },
  };
}

/** Publishes a copy and waits until the server has it. */
async function keep(
  channel: ConfirmChannel,
  queue: string,
  { content, properties }: ConsumeMessage,
  headers: Record<string, unknown>,
): Promise<void> {
  // An expiry would lose it, and a server refuses the name of a user who is not the sender.
  const { expiration: _, userId: __, clusterId: ___, ...kept } = properties;
  const returned = new Error(`the queue ${queue} is gone`);
  await within(
    CONFIRM_TIMEOUT_MS,
    new Promise<void>((done, fail) => {
      const onReturn = () => fail(returned);
      channel.once("return", onReturn);
      const published = { ...kept, headers, persistent: true, mandatory: true };
      channel.sendToQueue(queue, content, published, (error) => {
        channel.off("return", onReturn);
        if (error) fail(error);
        else done();
      });
    }),
  );
}

/** An error that would come again, with what to do about it; others as they are. */
function explained(error: unknown): Error {
  if (error instanceof QueueError) return error;
  const { code, message } = error as { code?: unknown; message: string };
  if (code === 404 && message.includes("no exchange")) {
    return new QueueError(
      `the exchange ${EXCHANGE} is not at this broker: start the platform with this broker, or name its virtual host in the address`,
    );
  }
  if (code === 403 || message.includes("ACCESS-REFUSED")) {
    return new QueueError(`the broker does not let this user in or do this: ${message}`);
  }
  if (code === 406) return new QueueError(`the queue is there with other settings: ${message}`);
  return error as Error;
}
