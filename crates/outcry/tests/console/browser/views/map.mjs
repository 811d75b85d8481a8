// The map.

import assert from "node:assert/strict";
import { test } from "node:test";
import { visit } from "../browser.mjs";
import { ADMINISTRATOR, go, signIn, until } from "../people.mjs";
import { picture } from "../pictures.mjs";

/** Reads the numbers of the map that match. */
const numbered = (pattern) =>
  [...document.querySelectorAll(".map .map-count")].some(({ textContent }) =>
    new RegExp(pattern).test(textContent),
  );

test("the map shows services and topics, events on their way, and rates as services count them", () =>
  visit({}, async (page, visited) => {
    await signIn(page, ADMINISTRATOR);
    await go(page, "Map");
    await page
      .getByRole("group", { name: /^\d+ services, \d+ topics, \d+ consumer groups$/ })
      .waitFor();
    await until(page, "events fly", () => document.querySelector(".map .flying"));
    await until(page, "topics are counted", numbered, "^\\d+$");
    await until(page, "services tell their rates", numbered, "/s");
    await visited.standsStill();
    await visited.fits();
    await picture(page, "map");
  }));

test("who wants less motion sees numbers, and nothing that flies", () =>
  visit({ reducedMotion: "reduce" }, async (page) => {
    await signIn(page, ADMINISTRATOR);
    await go(page, "Map");
    await until(page, "topics are counted", numbered, "^[1-9]\\d$");
    assert.equal(await page.locator(".map .flying").count(), 0);
  }));

test("who has not signed in sees what there is, and how to see it move", () =>
  visit({ at: "#/map" }, async (page) => {
    await page.getByRole("region", { name: "The map" }).waitFor();
    await page.getByText("Sign in to see events flow.").waitFor();
    await page.getByRole("link", { name: "trade.executed" }).click();
    await page.getByRole("heading", { name: "trade.executed" }).waitFor();
  }));
