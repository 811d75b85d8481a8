// An account: opened, paid into, and traded with.

import assert from "node:assert/strict";
import { test } from "node:test";
import { visit } from "../browser.mjs";
import { CUSTOMER, go, place, register, signIn, trades, until } from "../people.mjs";

/** Far below every price of the market, and inside what a venue takes. */
const LOW = "60.00";

const orders = (page) => page.getByRole("table", { name: "Orders, newest first" });

test("a newcomer registers, deposits, buys in the market and sees the order fill", () =>
  visit({}, async (page) => {
    await register(page, CUSTOMER);
    await go(page, "Account");
    await page.getByRole("button", { name: "Deposit" }).click();
    const dialog = page.getByRole("dialog", { name: "Deposit" });
    await dialog.getByLabel("Amount in USD").fill("nothing");
    await dialog.getByRole("button", { name: "Deposit" }).click();
    await dialog.getByText("write an amount").waitFor();
    await dialog.getByLabel("Amount in USD").fill("50000.00");
    await dialog.getByRole("button", { name: "Deposit" }).click();
    await dialog.waitFor({ state: "detached" });
    const cash = page.getByRole("region", { name: "Cash" });
    await cash.getByText("50,000.00").first().waitFor();

    await go(page, "Market");
    await trades(page);
    const said = await place(page, { type: "Market", shares: 7 });
    assert.doesNotMatch(said, /rejected/);
    await go(page, "Account");
    const row = orders(page).getByRole("row").filter({ hasText: "7 / 7" });
    await row.getByText("filled", { exact: true }).waitFor();
    const held = page.getByRole("table", { name: "Shares in custody" });
    await held.getByRole("cell", { name: "7", exact: true }).waitFor();
    await page
      .getByRole("table", { name: "Positions" })
      .getByRole("cell", { name: "7", exact: true })
      .waitFor();
  }));

test("an order that rests is seen, changed and cancelled; its cash comes back", () =>
  visit({}, async (page, visited) => {
    await signIn(page, CUSTOMER);
    await go(page, "Account");
    const ticket = page.getByRole("form", { name: "Place an order" });
    const symbol = await traded(page);
    await ticket.getByLabel("Symbol").selectOption(symbol);
    await ticket.getByRole("button", { name: /^Buy / }).click();
    await ticket.getByText("write a whole number of shares").waitFor();
    const focused = () => page.evaluate(() => document.activeElement.name);
    assert.equal(await focused(), "terms.quantity");

    const said = await place(page, { shares: 11, limit: LOW });
    assert.match(said, /^Order (accepted|new|open|placed|resting|working|pending)/, said);
    const row = orders(page).getByRole("row").filter({ hasText: "/ 11" });
    await row.getByRole("button", { name: /^Cancel buy 11/ }).waitFor();
    const locked = page.getByRole("region", { name: "Cash" }).getByText(/^66\d\.\d+$/);
    await locked.first().waitFor();

    await row.getByRole("button", { name: /^Change buy 11/ }).click();
    const change = page.getByRole("dialog");
    await change.getByLabel("Shares in all").fill("10");
    await change.getByRole("button", { name: "Change order" }).click();
    await change.waitFor({ state: "detached" });
    const changed = orders(page).getByRole("row").filter({ hasText: "/ 10" });
    await changed.getByRole("button", { name: /^Cancel buy 10/ }).click();
    await changed.getByText("cancelled").waitFor();
    assert.equal(await changed.getByRole("button", { name: /^Cancel/ }).count(), 0);
    await until(page, "nothing is locked", () =>
      [...document.querySelectorAll(".tile")].some(
        ({ innerText }) => /Locked/.test(innerText) && /\n0\.00/.test(innerText),
      ),
    );
    await visited.standsStill();
  }));

/** A symbol that the market trades, by the instruments' last prices. */
async function traded(page) {
  await go(page, "Market");
  await trades(page);
  const current = page.getByRole("table", { name: "Instruments" }).locator("[aria-current] b");
  const symbol = await current.innerText();
  await go(page, "Account");
  return symbol;
}
