// Who may see what.

import assert from "node:assert/strict";
import { test } from "node:test";
import { visit } from "../browser.mjs";
import { CUSTOMER, go, signIn } from "../people.mjs";

const views = (page) => page.getByRole("navigation", { name: "Views" }).getByRole("link");

test("a customer is shown no view of operators, and reaches none by its address", () =>
  visit({}, async (page, visited) => {
    await signIn(page, CUSTOMER);
    const shown = await views(page).allInnerTexts();
    assert.deepEqual(shown, ["Market", "Account", "Stories", "Events", "Map", "Contract"]);
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    for (const [name, title] of [
      ["letters", "Dead letters"],
      ["health", "Health"],
    ]) {
      await page.evaluate((hash) => (location.hash = hash), `#/${name}`);
      await page.getByRole("heading", { level: 1, name: title }).waitFor();
      await page.getByText("This is for other roles than yours.").waitFor();
    }
    const calls = asked.filter((url) => url.includes("operations"));
    assert.deepEqual(calls, [], "the platform was asked all the same");
    await visited.standsStill();
  }));

test("who has not signed in is led to the view that was wanted, and signs out of it", () =>
  visit({ at: "#/account" }, async (page) => {
    await page.getByRole("heading", { name: "Sign in to see “Account”." }).waitFor();
    const door = page.getByRole("region", { name: "Sign in" });
    await door.getByLabel("E-mail").fill(CUSTOMER.email);
    await door.getByLabel("Password").fill(CUSTOMER.password);
    await door.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("region", { name: "Cash" }).getByText("Available, USD").waitFor();
    await page.reload();
    await page.getByRole("region", { name: "Cash" }).getByText("Available, USD").waitFor();
    await go(page, "Contract");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("banner").getByRole("link", { name: "Sign in" }).waitFor();
    await page.reload();
    await page.getByRole("banner").getByRole("link", { name: "Sign in" }).waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  }));
