/** How long waits between attempts become, in milliseconds. */
export interface Growth {
  readonly first: number;
  readonly longest: number;
}

/**
 * The wait after so many failures in a row: it doubles up to the longest, and at least half of it is
 * by chance, so that callers who failed together do not come back together.
 */
export function backoff(failures: number, growth: Growth, chance = Math.random()): number {
  const grown = Math.min(growth.first * 2 ** Math.max(failures - 1, 0), growth.longest);
  return grown / 2 + (grown / 2) * chance;
}

/** Waits; ends early, without an error, when `signal` aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal?.aborted) return done();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      done();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end, { once: true });
  });
}

/** What `work` comes to, or an error when that takes longer. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`no answer within ${ms / 1000} seconds`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
