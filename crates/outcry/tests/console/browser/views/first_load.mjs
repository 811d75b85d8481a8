// What a first visit costs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { visit } from "../browser.mjs";
import { trades } from "../people.mjs";
import { Transferred } from "../transferred.mjs";

/** Bytes of everything a first visit may transfer, headers and first answers with it. */
const TRANSFERRED_MAX = 300_000;

/** Files of the console that are loaded with the market, at least. */
const ANSWERS_MIN = 18;

test("a first visit transfers less than 300 kB until the market is there", () =>
  visit({ at: null }, async (page) => {
    const transferred = await Transferred.of(page);
    await page.goto("./");
    await trades(page);
    const { answers, bytes } = transferred;
    assert.ok(answers >= ANSWERS_MIN, `only ${answers} answers`);
    assert.ok(bytes < TRANSFERRED_MAX, `${bytes} bytes`);
    console.log(`a first visit: ${answers} answers, ${bytes} bytes`);
  }));
