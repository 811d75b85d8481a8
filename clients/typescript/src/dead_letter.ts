import type { DeadReason } from "./judgement.js";
import type { Violation } from "./rules.js";

/** Added to the name of a queue: where what it cannot handle is put aside. */
const SUFFIX = ".dead";
/** Of the header with the rules: all headers must fit one frame, 128 KiB as a rule. */
const RULES_CHARS_MAX = 16_384;

/** The queue beside `queue`. */
export function deadQueue(queue: string): string {
  return queue + SUFFIX;
}

/** A message's headers with what is said of why it was put aside. */
export function deadHeaders(
  headers: Readonly<Record<string, unknown>>,
  queue: string,
  reason: DeadReason,
  violations: readonly Violation[],
): Record<string, unknown> {
  const rules = violations.map(({ field, rule }) => `${field} ${rule}`).join(", ");
  return {
    ...headers,
    "outcry-reason": reason,
    "outcry-rules": rules.slice(0, RULES_CHARS_MAX),
    "outcry-queue": queue,
  };
}
