#!/usr/bin/env node
// Does the jobs that Outcry is measured beside, with amqplib. What it is told and what it answers:
// the README of the folder above.

import { parseArgs } from "node:util";

import { consume } from "./consume.js";
import { Driver } from "./driver.js";
import { publish } from "./publish.js";

const USAGE = `usage:
  peer.js publish --amqp URL --exchange X --routing-key K --count N --body-bytes B --in-flight F
  peer.js consume --amqp URL --queue Q --postgres URL --count N --prefetch P`;

const JOBS = { publish, consume };

const OPTIONS = {
  amqp: { type: "string" },
  postgres: { type: "string" },
  exchange: { type: "string" },
  "routing-key": { type: "string" },
  queue: { type: "string" },
  count: { type: "string", default: "1" },
  "body-bytes": { type: "string", default: "0" },
  "in-flight": { type: "string", default: "1" },
  prefetch: { type: "string", default: "1" },
};

function number(values, name, least) {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < least) {
    throw new Error(`--${name} must be a whole number of at least ${least}`);
  }
  return value;
}

async function run([name, ...rest]) {
  const job = Object.hasOwn(JOBS, name ?? "") ? JOBS[name] : undefined;
  if (job === undefined) {
    throw new Error(`there is no job ${name}\n${USAGE}`);
  }
  const { values } = parseArgs({ args: rest, options: OPTIONS });
  const told = {
    amqp: values.amqp,
    postgres: values.postgres,
    exchange: values.exchange,
    routingKey: values["routing-key"],
    queue: values.queue,
    count: number(values, "count", 1),
    bodyBytes: number(values, "body-bytes", 0),
    inFlight: number(values, "in-flight", 1),
    prefetch: number(values, "prefetch", 1),
  };
  await job(told, new Driver(process.stdin, process.stdout));
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  console.error(`peer: ${error.message}`);
  process.exit(1);
}
