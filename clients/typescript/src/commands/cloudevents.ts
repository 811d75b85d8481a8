import { HTTP, type CloudEvent } from "cloudevents";
import { followQueue } from "../queue.js";
import { print } from "./arguments.js";
import { Counter, queueArguments } from "./consume.js";

/** What the body is when the attributes are taken from the headers. */
const BODY = "application/protobuf";

/**
 * `cloudevents`: reads messages with the CloudEvents SDK. It has no AMQP binding, but RabbitMQ's
 * (`ce-type`) names the attributes as the HTTP one does.
 */
export async function cloudevents(args: string[]): Promise<boolean> {
  const { wanted, withinMs, ...queue } = queueArguments(args);
  const counter = new Counter(wanted, withinMs);
  await followQueue(
    { ...queue, prefetch: Math.min(wanted, 64) },
    async (delivery) => {
      const { content, properties } = delivery.message;
      const texts = Object.entries(properties.headers ?? {}).filter(isText);
      const headers = { ...Object.fromEntries(texts), "content-type": BODY };
      const event = HTTP.toEvent({ headers, body: content }) as CloudEvent<Uint8Array>;
      event.validate();
      const { data: _, data_base64: __, ...attributes } = event.toJSON();
      print(attributes);
      delivery.acknowledge();
      counter.add();
    },
    counter.signal,
  );
  return counter.complete();
}

function isText(header: [string, unknown]): header is [string, string] {
  return typeof header[1] === "string";
}
