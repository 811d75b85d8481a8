// A page whose network nobody watches. Where one is watched, as all pages of Playwright are, Chromium keeps what its
// streams bring for the watcher, in the page's own process: memory that no visitor's page takes.

import { setTimeout as pause } from "node:timers/promises";
import { PATIENCE } from "./browser.mjs";

/** How often is looked whether something has become so, in milliseconds. */
const LOOK = 50;

/** One page, in the browser's own context: Playwright leaves it alone. */
export class Unwatched {
  #browser;
  #session;
  #asked = new Map();
  #last = 0;

  /** Opens one; `browser` is the session of the whole browser. */
  static async open(browser, url, { width, height }) {
    const one = new Unwatched();
    one.#browser = browser;
    browser.on("Target.receivedMessageFromTarget", ({ sessionId, message }) => {
      if (sessionId === one.#session) one.#hear(JSON.parse(message));
    });
    const target = { url, width, height, newWindow: true };
    const { targetId } = await browser.send("Target.createTarget", target);
    const { sessionId } = await browser.send("Target.attachToTarget", { targetId });
    one.#session = sessionId;
    return one;
  }

  #hear({ id, result, error }) {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (error) asked?.reject(new Error(error.message));
    else asked?.resolve(result);
  }

  /** Has the browser do something with the page. */
  async send(method, params = {}) {
    const id = (this.#last += 1);
    const answer = new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }));
    const message = JSON.stringify({ id, method, params });
    await this.#browser.send("Target.sendMessageToTarget", { sessionId: this.#session, message });
    return answer;
  }

  /** Runs a function in the page, and has what it returns. */
  async evaluate(run, given) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression: `(${run})(${JSON.stringify(given)})`,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails)
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Runs a function in the page again and again until it returns something true. */
  async until(what, run, given) {
    for (const end = Date.now() + PATIENCE; Date.now() < end; await pause(LOOK))
      if (await this.evaluate(run, given)) return;
    throw new Error(`it did not become so: ${what}`);
  }

  /** Signs in by the form. */
  async signIn({ email, password }) {
    const form = () => document.querySelector("form:has([autocomplete=current-password])");
    await this.evaluate(() => (location.hash = "#/sign-in"));
    await this.until("there is a form", `() => (${form})() !== null`);
    await this.evaluate(
      `({ email, password }) => {
        const form = (${form})();
        form.querySelector("[type=email]").value = email;
        form.querySelector("[type=password]").value = password;
        form.requestSubmit();
      }`,
      { email, password },
    );
    await this.until("somebody is signed in", () =>
      document.getElementById("who").textContent.includes("Sign out"),
    );
  }

  /** Goes to a view by the bar. */
  async go(view) {
    const click = (view) => {
      const links = [...document.querySelectorAll("#views a")];
      const link = links.find(({ textContent }) => textContent === view);
      link?.click();
      return link !== undefined;
    };
    await this.until(`${view} is in the bar`, click, view);
    const shown = (view) => document.querySelector("h1")?.textContent === view;
    await this.until(`${view} is shown`, shown, view);
  }
}
