/**
 * The smallest of some milliseconds, sorted, that the given part of them does not exceed, in
 * microseconds.
 */
export function percentile(sorted, part) {
  const rank = Math.max(Math.ceil(part * sorted.length), 1);
  return Math.round((sorted[rank - 1] ?? 0) * 1000);
}
