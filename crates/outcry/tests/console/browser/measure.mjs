// What the console costs while events flow: a line of JSON for each load, lap and for the end.

import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { ADDRESS, DESK, launch, PATIENCE, quit } from "./browser.mjs";
import { ADMINISTRATOR } from "./people.mjs";
import { Transferred } from "./transferred.mjs";
import { Unwatched } from "./unwatched.mjs";

/** First visits that are measured. */
const LOADS = 7;

/** Views of a lap, each shown for as long as the others. It ends where memory is measured. */
const LAP = ["Events", "Map", "Health", "Market"];

/** Laps at least: thirds of fewer say nothing. */
const LAPS_MIN = 6;

/** When the view can be used: there are prices, and the way in is there. */
const USABLE = () =>
  [...document.querySelectorAll(".book .level")].some(({ textContent }) => textContent) &&
  document.querySelector(".invitation a") &&
  performance.now();

const say = (told) => console.log(JSON.stringify(told));

/** One first visit, with nothing kept from another. */
async function load() {
  const context = await (await launch()).newContext({ viewport: DESK });
  try {
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    const transferred = await Transferred.of(page);
    await page.goto(ADDRESS, { waitUntil: "commit" });
    const usable = await page.waitForFunction(USABLE);
    say({ load: { milliseconds: await usable.jsonValue(), bytes: transferred.bytes } });
  } finally {
    await context.close();
  }
}

/** What the operating system has given to the pages' processes, in bytes. */
async function resident(session) {
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const renderers = processInfo.filter(({ type }) => type === "renderer");
  const sizes = renderers.map(async ({ id }) => {
    const status = await readFile(`/proc/${id}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)[1]) * 1024;
  });
  return (await Promise.all(sizes)).reduce((sum, one) => sum + one, 0);
}

/** An operator looks around for long: memory after every lap. */
async function watch(minutes) {
  const browser = await (await launch()).newBrowserCDPSession();
  const page = await Unwatched.open(browser, ADDRESS, DESK);
  await page.until("the page is there", () => document.readyState === "complete");
  await page.evaluate(() => {
    globalThis.longest = 0;
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries())
        globalThis.longest = Math.max(globalThis.longest, duration);
    }).observe({ type: "longtask" });
  });
  await page.signIn(ADMINISTRATOR);
  const laps = Math.max(Math.round(minutes), LAPS_MIN);
  const each = (minutes * 60_000) / laps / LAP.length;
  for (let lap = 1; lap <= laps; lap += 1) {
    for (const view of LAP) {
      await page.go(view);
      await pause(each);
    }
    await page.send("HeapProfiler.collectGarbage");
    const { usedSize } = await page.send("Runtime.getHeapUsage");
    const longest = await page.evaluate(() => {
      const { longest } = globalThis;
      globalThis.longest = 0;
      return longest;
    });
    say({ lap: { heap: usedSize, resident: await resident(browser), longest } });
  }
}

const minutes = Number(process.argv[2] ?? 10);
try {
  for (let number = 0; number < LOADS; number += 1) await load();
  await watch(minutes);
} finally {
  await quit();
}
