import type { DeadReason } from "./judgement.js";
import type { Violation } from "./rules.js";

/** Added to the name of a queue: where what it cannot handle is put aside. */
const SUFFIX = ".dead";

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
  return {
    ...headers,
    "outcry-reason": reason,
    "outcry-rules": violations.map(({ field, rule }) => `${field} ${rule}`).join(", "),
    "outcry-queue": queue,
  };
}
