import amqp from "amqplib";

import { Inbox } from "./inbox.js";

/** Consumes on one channel; as many messages are handled at a time as may be unacknowledged. */
export async function consume(told, driver) {
  const connection = await amqp.connect(told.amqp, { noDelay: true });
  const channel = await connection.createChannel();
  await channel.prefetch(told.prefetch);
  const inbox = await Inbox.open(told.postgres);

  const round = async () => {
    const began = performance.now();
    let isNew = 0;
    let duplicates = 0;
    let stop;
    const handled = new Promise((resolve, reject) => {
      stop = reject;
      connection.once("error", reject);
      channel.once("error", reject);
      const handle = async (message) => {
        if (await inbox.handle(message.properties.messageId, message.content)) {
          isNew += 1;
        } else {
          duplicates += 1;
        }
        channel.ack(message);
        if (isNew + duplicates === told.count) {
          resolve();
        }
      };
      const receive = (message) => {
        // null: the broker has ended the consumer.
        if (message === null) {
          reject(new Error(`the broker ended the consumer of ${told.queue}`));
        } else {
          handle(message).catch(reject);
        }
      };
      channel.consume(told.queue, receive, { consumerTag: "peer", noAck: false }).catch(reject);
    });
    await handled;
    const seconds = (performance.now() - began) / 1000;
    connection.off("error", stop);
    channel.off("error", stop);
    await channel.cancel("peer");
    return { count: told.count, new: isNew, duplicates, seconds };
  };

  driver.ready("amqplib", "pg");
  await driver.rounds(round);
  await connection.close();
  await inbox.close();
}
