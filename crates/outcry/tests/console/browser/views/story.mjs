// The story of one order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { visit } from "../browser.mjs";
import { CUSTOMER, go, place, signIn, trades } from "../people.mjs";
import { picture } from "../pictures.mjs";

test("an order's story is told as it happens: events, causes, services, times and payloads", () =>
  visit({}, async (page, visited) => {
    await signIn(page, CUSTOMER);
    await go(page, "Market");
    await trades(page);
    await place(page, { type: "Market", shares: 3 });
    await page.getByRole("link", { name: "Its story" }).click();
    const steps = page.getByRole("table", {
      name: "Steps of the flow, effects below their causes",
    });
    // The page is there while the flow goes on: the rest comes live.
    for (const topic of ["order.created", "funds.locked", "trade.executed", "order.filled"])
      await steps.getByRole("button", { name: topic, exact: true }).first().waitFor();
    await steps.getByRole("button", { name: "funds.released" }).first().waitFor();
    const filled = steps.getByRole("row").filter({ hasText: "order.filled" }).first();
    await filled.getByText("orders", { exact: true }).first().waitFor();
    assert.match(await filled.innerText(), /\d (µs|ms|s|min)\b/);
    assert.match(await filled.innerText(), /notifications/);
    const summary = page.getByRole("region", { name: "Flow", exact: true }).getByRole("status");
    assert.match(await summary.innerText(), /\d+ events from 3 services in .* by you\./);

    const drawing = page.getByRole("group", { name: /Events by service/ });
    const dot = drawing.getByRole("button", { name: /^trade\.executed by trades/ }).first();
    await dot.focus();
    await page.keyboard.press("Enter");
    const event = page.getByRole("region", { name: "Event", exact: true });
    await event.getByRole("heading", { name: /^trade\.executed/ }).waitFor();
    assert.match(
      await event.getByRole("region", { name: "Payload" }).innerText(),
      /"lastQuantity": "[123]"/,
    );
    await page.evaluate(() => scrollTo(0, 0));
    await picture(page, "story");
    await event.getByText("Envelope").click();
    await event.getByText("Caused by").waitFor();
    await visited.fits();
    await visited.standsStill();
  }));

test("stories are offered by order, and asked for by their id", () =>
  visit({}, async (page) => {
    await signIn(page, CUSTOMER);
    await go(page, "Stories");
    const offered = page.getByRole("region", { name: "Stories" });
    await offered
      .getByRole("link", { name: /^buy 3 / })
      .first()
      .waitFor();
    await offered.getByLabel("Correlation id").fill("what happened?");
    await offered.getByRole("button", { name: "Tell" }).click();
    await offered.getByText("A correlation id is a UUID").waitFor();
    const [, id] = (await offered.getByRole("link").first().getAttribute("href")).split("story/");
    await offered.getByLabel("Correlation id").fill(id);
    await offered.getByRole("button", { name: "Tell" }).click();
    await page.getByRole("region", { name: "Causes and effects" }).waitFor();
    assert.match(page.url(), new RegExp(id));
  }));
