#!/usr/bin/env node
import { cloudevents } from "./commands/cloudevents.js";
import { consume } from "./commands/consume.js";
import { golden } from "./commands/golden.js";
import { parity } from "./commands/parity.js";
import { trade } from "./commands/trade.js";
import { UsageError, complain } from "./commands/arguments.js";

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
