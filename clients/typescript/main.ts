#!/usr/bin/env node
import { cloudevents } from "./src/commands/cloudevents.js";
import { consume } from "./src/commands/consume.js";
import { golden } from "./src/commands/golden.js";
import { parity } from "./src/commands/parity.js";
import { trade } from "./src/commands/trade.js";
import { UsageError, complain } from "./src/commands/arguments.js";

const USAGE = `usage: outcry-client <command>
  trade --symbol S [--quantity N] [--limit PRICE]
  consume --queue Q --topic PATTERN… --count N [--within SECONDS]
  parity FILE
  golden FOLDER
  cloudevents --queue Q --topic PATTERN… --count N [--within SECONDS]`;

/** Each answers whether all went well. */
const commands: Record<string, (args: string[]) => Promise<boolean>> = {
  trade,
  consume,
  parity,
  golden,
  cloudevents,
};

// Whoever read has gone: nothing more can be said.
process.stdout.on("error", () => process.exit(1));

const [name = "", ...args] = process.argv.slice(2);
const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
try {
  if (!command) throw new UsageError(name ? `there is no command ${name}` : "a command is missing");
  process.exitCode = (await command(args)) ? 0 : 1;
} catch (error) {
  complain(error instanceof Error ? error.message : String(error));
  if (error instanceof UsageError) complain(USAGE);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
