import type { DescMessage, Message } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { registry } from "./schema.js";

/** A rule of the contract that a message breaks. */
export interface Violation {
  /** Path of the field by its names in the contract, for example `terms.quantity`. */
  readonly field: string;
  /** protovalidate's name of the rule, for example `int64.gte`. */
  readonly rule: string;
}

const validator = createValidator({ registry });

/** The rules that a message breaks, sorted; fields begin with `prefix`. */
export function brokenRules<Desc extends DescMessage>(
  desc: Desc,
  message: Message,
  prefix = "",
): Violation[] {
  const result = validator.validate(desc, message as never);
  if (result.kind === "error") throw result.error;
  if (result.kind === "valid") return [];
  return sorted(
    result.violations.map((one) => ({
      field: prefix + pathToString(one.field),
      rule: one.ruleId,
    })),
  );
}

/** By field, then rule, in the order of their bytes whatever the language of the machine. */
export function sorted(violations: readonly Violation[]): Violation[] {
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...violations].sort((a, b) => order(a.field, b.field) || order(a.rule, b.rule));
}
