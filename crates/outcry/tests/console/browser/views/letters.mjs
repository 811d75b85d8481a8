// Dead letters, for an administrator.

import assert from "node:assert/strict";
import { test } from "node:test";
import { visit } from "../browser.mjs";
import { ADMINISTRATOR, go, signIn } from "../people.mjs";
import { picture } from "../pictures.mjs";

/** How often somebody looks again before giving up. */
const LOOKS_MAX = 60;

test("an administrator finds a dead letter, reads it, redrives it and gives it up", () =>
  visit({}, async (page, visited) => {
    await signIn(page, ADMINISTRATOR);
    await go(page, "Dead letters");
    const letters = page.getByRole("table", { name: "Dead letters in the order they were parked" });
    const topics = letters.getByRole("button", { name: "order.filled" });
    await topics.nth(3).waitFor();
    await topics.first().click();
    const letter = page.getByRole("region", { name: "Letter", exact: true });
    await letter.getByText("It cannot be decoded").waitFor();
    await picture(page, "dead-letters");

    await page.getByLabel("Group").fill("funds");
    await page.getByRole("button", { name: "Filter" }).click();
    await topics.nth(1).waitFor({ state: "detached" });
    await topics.click();
    await letter.getByText("funds", { exact: true }).waitFor();
    await letter.getByText("Headers").click();
    await letter.getByText('"made-by"').waitFor();

    await letter.getByRole("button", { name: "Redrive", exact: true }).click();
    const redrive = page.getByRole("dialog", { name: "Redrive this event?" });
    await redrive.getByText("1 event of 1 key will be handed to funds again").waitFor();
    await redrive.getByRole("button", { name: "Cancel" }).click();
    await redrive.waitFor({ state: "detached" });
    const done = page.getByRole("table", { name: "Who redrove and discarded what, newest first" });
    assert.equal(await done.getByRole("cell", { name: "redrive" }).count(), 0);
    await letter.getByRole("button", { name: "Redrive", exact: true }).click();
    await redrive.getByRole("button", { name: "Redrive 1 event" }).click();
    await done
      .getByRole("cell", { name: /redrive/ })
      .first()
      .waitFor();
    await parkedAgain(page, letters);

    await topics.click();
    await letter.getByRole("button", { name: "Discard" }).click();
    const discard = page.getByRole("dialog", { name: "Give this event up for good?" });
    await discard.getByRole("button", { name: "Discard for good" }).click();
    await discard.getByText("say why").waitFor();
    await discard.getByLabel("Why").fill("not an event");
    await discard.getByRole("button", { name: "Discard for good" }).click();
    await page.getByText("No dead letters").waitFor();
    await done.getByRole("row").filter({ hasText: "discard" }).getByText("not an event").waitFor();
    await visited.standsStill();
    await visited.fits();
  }));

/** Nobody can read it: it is handed on, and comes back. */
async function parkedAgain(page, letters) {
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const answered = page.waitForResponse((response) => response.url().endsWith("ListDeadLetters"));
    await page.getByRole("button", { name: "Look again" }).click();
    await answered;
    const row = letters.getByRole("row").filter({ hasText: "order.filled" });
    await row.waitFor();
    if (!/on its way again/.test(await row.innerText())) return;
  }
  assert.fail("it was not parked again");
}
