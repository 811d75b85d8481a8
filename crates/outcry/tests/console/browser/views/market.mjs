// The market, for anybody.

import assert from "node:assert/strict";
import { test } from "node:test";
import { visit } from "../browser.mjs";
import { trades, until } from "../people.mjs";

test("anybody sees a market trade: book, tape and chart, each live", () =>
  visit({}, async (page, visited) => {
    await trades(page);
    await page.getByRole("link", { name: "Sign in or register" }).waitFor();
    assert.equal(await page.getByRole("form", { name: "Place an order" }).count(), 0);
    const tape = page.getByRole("table", { name: "Matches, newest first" });
    const newest = await tape.getByRole("row").nth(1).innerText();
    await until(
      page,
      "the tape goes on",
      (before) => {
        const captions = [...document.querySelectorAll("caption")];
        const found = captions.find(({ textContent }) => textContent === "Matches, newest first");
        return found.closest("table").querySelector("tbody tr").innerText !== before;
      },
      newest,
    );
    await visited.standsStill();
    await visited.fits();
  }));

test("another instrument has a book, an address and a title of its own", () =>
  visit({}, async (page) => {
    await trades(page);
    const current = page.getByRole("region", { name: "Instruments" }).locator("[aria-current]");
    const first = await current.innerText();
    await page
      .getByRole("table", { name: "Instruments" })
      .getByRole("link")
      .filter({ hasNotText: first })
      .first()
      .click();
    await until(
      page,
      "the other is current",
      (name) =>
        ![name, ""].includes(document.querySelector("main [aria-current]")?.innerText ?? ""),
      first,
    );
    const [symbol] = (await current.innerText()).split("\n");
    assert.match(await page.title(), new RegExp(`^${symbol} `));
    await page.reload();
    await page.getByRole("heading", { name: symbol }).waitFor();
    await page.goBack();
    await page.getByRole("heading", { name: first.split("\n")[0] }).waitFor();
  }));

for (const colorScheme of ["light", "dark"])
  test(`the market is drawn in ${colorScheme} colours for who has them`, () =>
    visit({ colorScheme }, async (page) => {
      await trades(page);
      const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const [red] = ground.match(/\d+/g).map(Number);
      assert.equal(red > 128, colorScheme === "light", ground);
    }));
