import { readFile } from "node:fs/promises";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { brokenRules, sorted, type Violation } from "../rules.js";
import { registry } from "../schema.js";
import { complain, only, print } from "./arguments.js";

interface Case {
  readonly name: string;
  readonly type: string;
  readonly message: JsonValue;
  readonly violations: readonly Violation[];
}

/** `parity`: validates each case, prints what it breaks, and holds that against what it should break. */
export async function parity(args: string[]): Promise<boolean> {
  const file = only(args, "FILE");
  const { cases } = JSON.parse(await readFile(file, "utf8")) as { cases: Case[] };
  let good = cases.length > 0;
  if (!good) complain(`${file} has no cases`);
  for (const one of cases) {
    try {
      const violations = found(one);
      print({ case: one.name, violations });
      if (text(violations) === text(sorted(one.violations))) continue;
      complain(`${one.name}: ${text(sorted(one.violations))} were to be found`);
    } catch (error) {
      complain(`${one.name}: ${String(error)}`);
    }
    good = false;
  }
  return good;
}

function found({ type, message }: Case): Violation[] {
  const desc = registry.getMessage(type);
  if (!desc) throw new Error(`the contract has no ${type}: is the package built from another one?`);
  return brokenRules(desc, fromJson(desc, message, { registry }));
}

function text(violations: readonly Violation[]): string {
  return JSON.stringify(violations.map(({ field, rule }) => [field, rule]));
}
