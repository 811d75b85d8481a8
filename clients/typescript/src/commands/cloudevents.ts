import { HTTP, type CloudEvent } from "cloudevents";
import type { ConsumeMessage } from "amqplib";
import { PREFETCH, followQueue } from "../queue.js";
import { complain, print } from "./arguments.js";
import { Counter, queueArguments } from "./consume.js";

/** What the body is when the attributes are taken from the headers. */
const BODY = "application/protobuf";

/** `cloudevents`: reads messages with the CloudEvents SDK, which must find nothing wrong with them. */
export async function cloudevents(args: string[]): Promise<boolean> {
  const { wanted, withinMs, ...queue } = queueArguments(args);
  const counter = new Counter(wanted, withinMs);
  let good = true;
  await followQueue(
    { ...queue, prefetch: Math.min(wanted, PREFETCH) },
    async (delivery) => {
      try {
        const event = cloudEvent(delivery.message);
        const { data: _, data_base64: __, ...attributes } = event.toJSON();
        print(attributes);
        event.validate();
      } catch (error) {
        complain(`not as CloudEvents wants it: ${String(error)}`);
        good = false;
      }
      delivery.acknowledge();
      counter.add();
    },
    counter.signal,
  );
  return counter.complete() && good;
}

/** The SDK has no AMQP binding, but RabbitMQ's (`ce-type`) names the attributes as the HTTP one does. */
export function cloudEvent({ content, properties }: ConsumeMessage): CloudEvent<Uint8Array> {
  const texts = Object.entries(properties.headers ?? {}).filter(
    (header): header is [string, string] => typeof header[1] === "string",
  );
  const headers = { ...Object.fromEntries(texts), "content-type": BODY };
  return HTTP.toEvent({ headers, body: content }) as CloudEvent<Uint8Array>;
}
