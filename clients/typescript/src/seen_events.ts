/**
 * Remembers which events were handled. Put your own in, in the database the handler writes to, when
 * an event must not be handled twice after a restart either.
 */
export interface SeenEvents {
  has(eventId: string): boolean | Promise<boolean>;
  /** Called once the handler is done, before the message is acknowledged. */
  add(eventId: string): void | Promise<void>;
}

/** Ids kept unless told otherwise: about 10 MB, and minutes of a busy platform's events. */
const KEPT = 100_000;

/** The last events that were handled, in memory. */
export class RecentEvents implements SeenEvents {
  readonly #ids = new Set<string>();
  readonly #kept: number;

  constructor(kept = KEPT) {
    if (!Number.isInteger(kept) || kept < 1) {
      throw new RangeError("at least one id must be kept");
    }
    this.#kept = kept;
  }

  has(eventId: string): boolean {
    return this.#ids.has(eventId);
  }

  add(eventId: string): void {
    this.#ids.add(eventId);
    if (this.#ids.size > this.#kept) {
      // A set gives its values in the order they were added: the first is the oldest.
      const [oldest] = this.#ids;
      if (oldest !== undefined) this.#ids.delete(oldest);
    }
  }
}
