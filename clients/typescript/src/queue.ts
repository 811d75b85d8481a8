import { connect, type ChannelModel, type ConfirmChannel, type ConsumeMessage } from "amqplib";
import { deadQueue } from "./dead_letter.js";
import { backoff, pause, within } from "./pause.js";

/** Where every event of the platform is published. */
const EXCHANGE = "outcry.events";
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

/** A message of the queue. Exactly one of the three must be called. */
export interface Delivery {
  readonly message: ConsumeMessage;
  acknowledge(): void;
  /** Has the server deliver it again. */
  putBack(): void;
  /** Acknowledges it once the server has confirmed to keep a copy, with these headers, in the dead queue. */
  putAside(headers: Record<string, unknown>): Promise<void>;
}

/** What no new connection would mend. */
export class QueueError extends Error {
  override readonly name = "QueueError";
}

/**
 * Declares the queue and its dead queue, binds it, and hands over one message after the other until
 * `signal` aborts. A lost connection is taken up again; what was not acknowledged comes again then.
 */
export async function followQueue(
  options: QueueOptions,
  take: (delivery: Delivery) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 0; !signal.aborted;) {
    const since = Date.now();
    try {
      await followOnce(options, take, signal);
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
  const url = new URL(options.url);
  url.searchParams.set("heartbeat", String(HEARTBEAT_S));
  const connection = await connect(url.href, { timeout: CONNECT_TIMEOUT_MS }).catch(explained);
  let channel: ConfirmChannel | undefined;
  let busy = Promise.resolve();
  try {
    channel = await connection.createConfirmChannel();
    const opened = channel;
    await new Promise<void>((done, fail) => {
      connection.on("error", fail);
      connection.on("close", (error) => fail(error ?? new Error("the server closed it")));
      signal.addEventListener("abort", () => done(), { once: true });
      opened.on("error", fail);
      opened.on("close", () => fail(new Error("the server closed the channel")));
      const onMessage = (message: ConsumeMessage | null) => {
        if (message === null) return fail(new Error(`the queue ${options.queue} was deleted`));
        busy = busy.then(async () => {
          if (signal.aborted) return;
          await take(delivery(opened, options.queue, message)).catch(fail);
        });
      };
      consume(opened, options, onMessage).catch(fail);
    });
    await busy;
  } finally {
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

async function consume(
  channel: ConfirmChannel,
  options: QueueOptions,
  onMessage: (message: ConsumeMessage | null) => void,
): Promise<void> {
  const { queue, topics } = options;
  try {
    // Only looked for: it is the platform's, and a queue bound to another one would stay empty.
    await channel.checkExchange(EXCHANGE);
    await channel.assertQueue(deadQueue(queue), { durable: true });
    await channel.assertQueue(queue, { durable: true });
    for (const topic of topics) await channel.bindQueue(queue, EXCHANGE, topic);
    await channel.prefetch(options.prefetch ?? PREFETCH);
    await channel.consume(queue, onMessage);
  } catch (error) {
    explained(error);
  }
}

function delivery(channel: ConfirmChannel, queue: string, message: ConsumeMessage): Delivery {
  return {
    message,
    acknowledge: () => channel.ack(message),
    putBack: () => channel.nack(message, false, true),
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

/** Says what to do about an error that would come again. */
function explained(error: unknown): never {
  const { code, message } = error as { code?: unknown; message?: string };
  if (code === 404) {
    throw new QueueError(
      `the exchange ${EXCHANGE} is not at this broker: start the platform with this broker, or name its virtual host in the address`,
    );
  }
  if (code === 403 || message?.includes("ACCESS-REFUSED")) {
    throw new QueueError(`the broker does not let this user in or do this: ${message}`);
  }
  if (code === 406) throw new QueueError(`the queue is there with other settings: ${message}`);
  throw error;
}
