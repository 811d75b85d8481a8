import amqp from "amqplib";

import { percentile } from "./latency.js";

/** Publishes on one confirm channel, as many at a time as may be in flight. */
export async function publish(told, driver) {
  const connection = await amqp.connect(told.amqp, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  const body = Buffer.alloc(told.bodyBytes, "o");
  let returned = 0;
  // The broker returns a message before it confirms it.
  channel.on("return", () => {
    returned += 1;
  });

  const round = () =>
    new Promise((resolve, reject) => {
      const began = performance.now();
      const latencies = [];
      let next = 0;
      let inFlight = 0;
      let confirmed = 0;
      let nacked = 0;
      let full = false;
      returned = 0;
      // A channel or connection that fails rejects here, too.
      connection.once("error", reject);
      channel.once("error", reject);

      const settle = () => {
        if (confirmed + nacked < told.count) {
          fill();
          return;
        }
        connection.off("error", reject);
        channel.off("error", reject);
        latencies.sort((a, b) => a - b);
        resolve({
          count: told.count,
          confirmed,
          nacked,
          returned,
          seconds: (performance.now() - began) / 1000,
          p50_us: percentile(latencies, 0.5),
          p99_us: percentile(latencies, 0.99),
        });
      };

      const fill = () => {
        while (!full && inFlight < told.inFlight && next < told.count) {
          const start = performance.now();
          const properties = {
            persistent: true,
            mandatory: true,
            contentType: "application/protobuf",
            messageId: String(next),
          };
          next += 1;
          inFlight += 1;
          const hasRoom = channel.publish(told.exchange, told.routingKey, body, properties, (nack) => {
            latencies.push(performance.now() - start);
            inFlight -= 1;
            if (nack === null) {
              confirmed += 1;
            } else {
              nacked += 1;
            }
            settle();
          });
          if (!hasRoom) {
            // The library's buffer is full: go on when it says so.
            full = true;
            channel.once("drain", () => {
              full = false;
              fill();
            });
          }
        }
      };
      fill();
    });

  driver.ready("amqplib");
  await driver.rounds(round);
  await connection.close();
}
