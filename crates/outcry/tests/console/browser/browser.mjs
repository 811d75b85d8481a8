// The browser, and a page in it that is watched: nothing may go wrong that nobody looks at.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

/** Debian's; another one is named by `CHROMIUM`. */
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Nothing but the page's own traffic. */
const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** How long anything may take before a story gives up, in milliseconds: generous, for a busy machine. */
export const PATIENCE = 30_000;

/** How long a view that stands still is watched for requests, in milliseconds: polls come faster. */
const STILL = 2_000;

/** How often a view may have something left to ask before it stands still. */
const STILL_TRIES = 4;

/** A desk and a phone. */
export const DESK = { width: 1360, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** Where the platform is. */
export const ADDRESS = new URL(process.env.OUTCRY_ADDRESS ?? "http://127.0.0.1:7400").origin;

let browser;

/** The one browser of all stories. */
export async function launch() {
  browser ??= await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  return browser;
}

/** Ends it. */
export async function quit() {
  await browser?.close();
  browser = undefined;
}

/**
 * Opens the console for somebody, has the story told, and looks at what went wrong meanwhile.
 *
 * @param options of the browser's context, as `colorScheme` and `viewport`; `at` is the view that is
 *   opened, or null where the story does it
 * @param story is given the page, and the visit it is of
 */
export async function visit({ at = "", ...options }, story) {
  const browser = await launch();
  const context = await browser.newContext({ baseURL: ADDRESS, viewport: DESK, ...options });
  context.setDefaultTimeout(PATIENCE);
  const visited = new Visit();
  try {
    const page = await context.newPage();
    await visited.watch(page);
    if (at !== null) await page.goto(`./${at}`);
    await story(page, visited);
    await visited.policyHolds();
    assert.deepEqual(visited.wrong, []);
  } catch (error) {
    // What the page said itself explains most failures.
    if (visited.wrong.length > 0) error.message += `\nthe page: ${visited.wrong.join("\n")}`;
    throw error;
  } finally {
    await context.close();
  }
}

/** What is seen of a page from the outside. */
class Visit {
  #page;
  #requests = [];
  /** Words for everything that should not have been. */
  wrong = [];

  async watch(page) {
    this.#page = page;
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.wrong.push(message.text());
    });
    page.on("pageerror", (error) => this.wrong.push(String(error)));
    page.on("request", (request) => {
      this.#requests.push(request.url());
      if (new URL(request.url()).origin !== ADDRESS) this.wrong.push(`asked ${request.url()}`);
    });
    await page.exposeFunction("violated", (what) => this.wrong.push(what));
    await page.addInitScript(() =>
      document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
        globalThis.violated(`the policy was broken: ${violatedDirective} ${blockedURI}`),
      ),
    );
  }

  /** Nothing is asked while nobody does anything: what changes comes by streams that are open. */
  async standsStill() {
    let asked = [];
    for (let number = 0; number < STILL_TRIES; number += 1) {
      const before = this.#requests.length;
      // An absence can only be waited for.
      await this.#page.waitForTimeout(STILL);
      asked = this.#requests.slice(before);
      if (asked.length === 0) return;
    }
    assert.deepEqual(asked, [], "the page polls");
  }

  /** The page is not wider than what shows it. */
  async fits() {
    const [wide, room] = await this.#page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.documentElement.clientWidth,
    ]);
    assert.ok(wide <= room, `${this.#page.url()} is ${wide} wide on ${room}`);
  }

  /** The browser still has the policy and refuses what it forbids. */
  async policyHolds() {
    const refused = await this.#page.evaluate(() => {
      try {
        document.createElement("div").innerHTML = "<b>markup</b>";
        return false;
      } catch (error) {
        return error instanceof TypeError;
      }
    });
    assert.ok(refused, "text became markup");
    const expected = this.wrong.findLast((one) => one.includes("TrustedHTML"));
    assert.ok(expected, "the refusal was not reported");
    this.wrong = this.wrong.filter((one) => !/TrustedHTML|trusted-types/i.test(one));
  }
}
