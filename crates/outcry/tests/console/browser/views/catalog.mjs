// The contract.

import assert from "node:assert/strict";
import { test } from "node:test";
import { visit } from "../browser.mjs";
import { go } from "../people.mjs";

test("the contract is searched, and tells fields, publisher and consumers of an event", () =>
  visit({}, async (page, visited) => {
    await page.getByRole("heading", { name: "Book" }).waitFor();
    await go(page, "Contract");
    const types = page.getByRole("region", { name: "Event types" });
    await types.getByText(/^\d\d event types of \d\d$/).waitFor();
    await types.getByLabel("Search").fill("trade executed");
    await types.getByText(/^\d event types? of \d\d$/).waitFor();
    await types.getByRole("link", { name: "trade.executed", exact: true }).click();
    const type = page.getByRole("region", { name: "trade.executed", exact: true });
    await type.getByRole("cell", { name: "lastPrice" }).first().waitFor();
    const told = await type.innerText();
    for (const word of [/Published by\s+trades/, /Consumed by\s+funds/, /notifications/])
      assert.match(told, word);
    await visited.standsStill();
    await visited.fits();
  }));
