// Health, and the audit that an administrator starts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { visit } from "../browser.mjs";
import { ADMINISTRATOR, go, signIn } from "../people.mjs";
import { picture } from "../pictures.mjs";

test("health tells of every service, and the audit is run to its end", () =>
  visit({}, async (page, visited) => {
    await signIn(page, ADMINISTRATOR);
    await go(page, "Health");
    const replicas = page.getByRole("region", { name: "Services and replicas" });
    for (const service of ["orders", "trades", "funds", "ledger", "gateway"])
      await replicas.getByRole("row").filter({ hasText: service }).first().waitFor();
    await replicas.getByText("ready").first().waitFor();
    await page.getByRole("region", { name: "Calls" }).getByText("orders").first().waitFor();
    await page
      .getByRole("region", { name: "Health" })
      .getByText(/parked|All is well/)
      .first()
      .waitFor();
    await visited.standsStill();

    const invariants = page.getByRole("region", { name: "Invariants" }).first();
    await invariants.getByRole("button", { name: "Check the ledger" }).click();
    await invariants.getByText(/\d+ transactions, unbroken/).waitFor();
    await invariants.getByRole("button", { name: "Run the audit" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Run the audit" }).click();
    await invariants.getByText("Every invariant holds.").waitFor();
    const table = page.getByRole("table", { name: "Invariants" });
    const verdicts = await table.getByText("holds", { exact: true }).count();
    assert.ok(verdicts > 20, `${verdicts} verdicts`);
    await visited.fits();
    await picture(page, "health");
  }));
