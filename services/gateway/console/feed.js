// Streams that are opened again when they are cut, from what has been seen.

/** The first pause before a stream is opened again, and the longest, in milliseconds. */
const PAUSE_MIN = 300;
const PAUSE_MAX = 10_000;

/** How long nobody looks at the page before its streams are given back, in milliseconds. */
const HIDDEN_MAX = 20_000;

/** How a feed stands, as people read it. */
const STATES = {
  opening: "connecting",
  live: "live",
  waiting: "reconnecting",
  hidden: "paused",
  failed: "stopped",
};

/** One stream, for as long as somebody wants it. */
export class Feed {
  #calls;
  #method;
  #options;

  /**
   * @param method the stream's method
   * @param options `request()` gives the request that goes on from what has been seen; `take(message)`
   *   takes one; `opened()` is called when one more stream is open; `failed(error)` when there will be
   *   no other; `badge` shows how it stands; `signal` ends it
   */
  constructor(calls, method, options) {
    this.#calls = calls;
    this.#method = method;
    this.#options = options;
    this.#run();
  }

  async #run() {
    const { signal, failed } = this.#options;
    let pause = PAUSE_MIN;
    while (!signal.aborted) {
      await this.#whileHidden();
      if (signal.aborted) return;
      try {
        if (await this.#read()) pause = PAUSE_MIN;
      } catch (error) {
        if (signal.aborted) return;
        // Ended by its own token, or for a reason that passes.
        const again = error.passes || (error.code === "UNAUTHENTICATED" && error.begun);
        if (!again) {
          this.#say("failed");
          failed?.(error);
          return;
        }
        if (error.begun) pause = PAUSE_MIN;
        this.#say("waiting");
        await rest(Math.max(error.retryAfter, pause * (0.5 + Math.random())), signal);
        pause = Math.min(pause * 2, PAUSE_MAX);
      }
    }
  }

  /** Reads one stream to its end; whether anything came. */
  async #read() {
    const { signal, request, take, opened } = this.#options;
    const one = new AbortController();
    const stop = () => one.abort();
    const unwatch = watchHidden(stop);
    signal.addEventListener("abort", stop);
    this.#say("opening");
    let any = false;
    try {
      const messages = this.#calls.stream(this.#method, request(), one.signal);
      // A stream that is open may have nothing to say for long.
      const quiet = setTimeout(() => this.#say("live"), PAUSE_MIN);
      try {
        for await (const message of messages) {
          if (!any) {
            any = true;
            opened?.();
            this.#say("live");
          }
          take(message);
        }
      } finally {
        clearTimeout(quiet);
      }
    } catch (error) {
      // Given back because nobody looks: opened again when somebody does.
      if (!one.signal.aborted) throw error;
    } finally {
      unwatch();
      signal.removeEventListener("abort", stop);
      one.abort();
    }
    return any;
  }

  async #whileHidden() {
    if (!document.hidden) return;
    this.#say("hidden");
    await new Promise((resolve) => {
      const check = () => {
        if (document.hidden && !this.#options.signal.aborted) return;
        document.removeEventListener("visibilitychange", check);
        resolve();
      };
      document.addEventListener("visibilitychange", check);
      this.#options.signal.addEventListener("abort", check, { once: true });
    });
  }

  #say(state) {
    const { badge, signal } = this.#options;
    if (!badge || signal.aborted) return;
    badge.dataset.state = state;
    badge.textContent = STATES[state];
  }
}

/** Calls `stop` when nobody has looked at the page for a while. A browser has only six connections. */
function watchHidden(stop) {
  let timer;
  const changed = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(stop, HIDDEN_MAX);
  };
  document.addEventListener("visibilitychange", changed);
  changed();
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", changed);
  };
}

/** Waits, or until the end. */
export function rest(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
