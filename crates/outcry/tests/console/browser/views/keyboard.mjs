// An order without a mouse.

import assert from "node:assert/strict";
import { test } from "node:test";
import { visit } from "../browser.mjs";
import { CUSTOMER, trades } from "../people.mjs";

/** Steps from one thing to the next: a page that needs more has no way for a keyboard. */
const STEPS_MAX = 60;

/** Goes on by the tab key until the focus is on something with these words. */
async function tabTo(page, words) {
  for (let step = 0; step < STEPS_MAX; step += 1) {
    await page.keyboard.press("Tab");
    const [at, ringed] = await page.evaluate(() => {
      const one = document.activeElement;
      const { outlineStyle } = getComputedStyle(one);
      return [one.labels?.[0]?.innerText ?? one.innerText ?? "", outlineStyle !== "none"];
    });
    if (!words.test(at)) continue;
    assert.ok(ringed, `nobody sees that the focus is on ${at}`);
    return;
  }
  assert.fail(`no way to ${words}`);
}

test("an order is placed with nothing but keys", () =>
  visit({}, async (page) => {
    const { keyboard } = page;
    await trades(page);
    await tabTo(page, /^Skip to the content$/);
    await tabTo(page, /^Sign in$/);
    await keyboard.press("Enter");
    await page.getByRole("region", { name: "Sign in" }).waitFor();
    await tabTo(page, /^E-mail$/);
    await keyboard.type(CUSTOMER.email);
    await tabTo(page, /^Password$/);
    await keyboard.type(CUSTOMER.password);
    await keyboard.press("Enter");
    await page.getByRole("form", { name: "Place an order" }).waitFor();
    await trades(page);
    await tabTo(page, /^Type$/);
    await keyboard.type("Market");
    await tabTo(page, /^Shares$/);
    await keyboard.type("2");
    await tabTo(page, /^Buy 2 /);
    await keyboard.press("Enter");
    const said = page.getByRole("form", { name: "Place an order" }).getByRole("status");
    await said.getByText(/^Order/).waitFor();
    assert.doesNotMatch(await said.innerText(), /rejected/);
    await tabTo(page, /^Its story$/);
    await keyboard.press("Enter");
    await page.getByRole("region", { name: "Causes and effects" }).waitFor();
  }));
