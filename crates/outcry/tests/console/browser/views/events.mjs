// The live tail.

import assert from "node:assert/strict";
import { test } from "node:test";
import { visit } from "../browser.mjs";
import { ADMINISTRATOR, go, signIn } from "../people.mjs";

test("the tail shows events as they come, filters them, stops for a reader and leads to their flow", () =>
  visit({}, async (page, visited) => {
    await signIn(page, ADMINISTRATOR);
    await go(page, "Events");
    const tail = page.getByRole("table", { name: "Events, newest first" });
    await tail.getByRole("button").nth(20).waitFor();
    await page.getByLabel("Topics").fill("order.*");
    await page.getByRole("button", { name: "Filter" }).click();
    await page.getByRole("region", { name: "Events of the platform" }).waitFor();
    await tail.getByRole("button").nth(5).waitFor();
    for (const topic of await tail.getByRole("button").allInnerTexts())
      assert.match(topic, /^order\./);

    const pause = page.getByRole("button", { name: "Pause" });
    await pause.click();
    const going = page.getByRole("button", { name: /^Go on/ });
    const told = await going.innerText();
    const before = await tail.innerText();
    await going.filter({ hasNotText: told }).waitFor();
    assert.equal(await tail.innerText(), before);
    await tail.getByRole("button").first().click();
    const event = page.getByRole("region", { name: "Event", exact: true });
    await event.getByRole("heading", { name: /^order\./ }).waitFor();
    await event.getByRole("region", { name: "Payload" }).waitFor();
    await going.click();
    await pause.waitFor();
    await visited.standsStill();
    await visited.fits();
    await tail.getByRole("link").first().click();
    await page.getByRole("region", { name: "Causes and effects" }).waitFor();
  }));
