import { parseArgs } from "node:util";

/** What is wrong with a command line or the environment. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The one argument of a command. */
export function only(args: string[], name: string): string {
  const [argument, ...more] = args;
  if (!argument || more.length > 0) throw new UsageError(`one argument is needed: ${name}`);
  return argument;
}

/**
 * The options of a command, each `--name value`; any may come more than once. `several` names the one
 * that may also have several values at a time: `--name value value`.
 */
export function options(
  args: string[],
  names: readonly string[],
  several?: string,
): Map<string, string[]> {
  const known = Object.fromEntries(names.map((name) => [name, { type: "string" }] as const));
  const found = new Map<string, string[]>();
  for (const { name, value } of tokens(args, known, several)) {
    found.set(name, [...(found.get(name) ?? []), value]);
  }
  return found;
}

function tokens(
  args: string[],
  known: Record<string, { type: "string" }>,
  several?: string,
): { name: string; value: string }[] {
  try {
    const { tokens } = parseArgs({ args, options: known, allowPositionals: true, tokens: true });
    let name = "";
    return tokens.flatMap((token) => {
      if (token.kind === "option-terminator") return [];
      if (token.kind === "option") name = token.name;
      else if (name !== several) throw new UsageError(`what is ${token.value} for?`);
      return { name, value: token.value ?? "" };
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** An option that must be there; the last one counts. */
export function required(found: Map<string, string[]>, name: string, otherwise?: string): string {
  const value = found.get(name)?.at(-1) ?? otherwise;
  if (!value) throw new UsageError(`--${name} is missing`);
  return value;
}

/** An option that is a number from `least` on. */
export function count(
  found: Map<string, string[]>,
  name: string,
  least: number,
  otherwise?: number,
): number {
  const number = Number(required(found, name, otherwise?.toString()));
  if (!Number.isSafeInteger(number) || number < least) {
    throw new UsageError(`--${name} must be a whole number from ${least} on`);
  }
  return number;
}

/** A variable of the environment. */
export function variable(name: string, otherwise?: string): string {
  const value = process.env[name] || otherwise;
  if (!value) throw new UsageError(`the variable ${name} is not set`);
  return value;
}

/** Prints one thing that was seen, as one line of JSON. */
export function print(seen: unknown): void {
  process.stdout.write(`${JSON.stringify(seen)}\n`);
}

/** Says on standard error what went wrong. */
export function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}
