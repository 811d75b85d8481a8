// Every view in both colour schemes and on a phone: it fits, and axe finds nothing wrong.

import { test } from "node:test";
import { accessible } from "../axe.mjs";
import { PHONE, visit } from "../browser.mjs";
import { ADMINISTRATOR, CUSTOMER, go, signIn, trades, until } from "../people.mjs";
import { picture } from "../pictures.mjs";

/** By who sees it, when each view is there. */
const VIEWS = [
  [
    CUSTOMER,
    {
      Market: trades,
      Account: async (page) => {
        await page.getByRole("form", { name: "Place an order" }).waitFor();
        await page.getByRole("table", { name: "Orders" }).getByText("filled").first().waitFor();
      },
      Stories: (page) => page.getByRole("link", { name: /^buy/ }).first().waitFor(),
    },
  ],
  [
    ADMINISTRATOR,
    {
      Events: async (page) => {
        const tail = page.getByRole("table", { name: "Events, newest first" });
        await tail.getByRole("button").first().click();
        await page.getByRole("region", { name: "Payload" }).waitFor();
      },
      Map: (page) =>
        until(page, "topics are counted", () =>
          [...document.querySelectorAll(".map-count")].some(({ textContent }) => textContent),
        ),
      Contract: async (page) => {
        await page.getByRole("link", { name: "order.filled", exact: true }).click();
        await page.getByRole("heading", { name: "order.filled" }).waitFor();
      },
      "Dead letters": async (page) => {
        await page.getByRole("button", { name: "order.filled" }).first().click();
        await page.getByRole("heading", { name: /^order\.filled at/ }).waitFor();
      },
      Health: (page) => page.getByText("ready", { exact: true }).first().waitFor(),
    },
  ],
];

for (const [words, name, options] of [
  ["in light colours", "light", { colorScheme: "light" }],
  ["in dark colours", "dark", { colorScheme: "dark" }],
  ["on a phone", "phone", { viewport: PHONE, hasTouch: true, isMobile: true }],
])
  for (const [person, views] of VIEWS)
    test(`${Object.keys(views).join(", ")} fit and can be used by everybody ${words}`, () =>
      visit(options, async (page, visited) => {
        await page.getByRole("heading", { name: "Book" }).waitFor();
        await page.getByRole("banner").getByRole("link", { name: "Sign in" }).click();
        await page.getByRole("heading", { name: "I am new here" }).waitFor();
        await accessible(page, "signing in");
        await visited.fits();
        await signIn(page, person);
        for (const [view, ready] of Object.entries(views)) {
          await go(page, view);
          await ready(page);
          await accessible(page, `${view} ${words}`);
          await visited.fits();
          await picture(page, `${view.toLowerCase().replace(" ", "-")}-${name}`);
        }
        if (person === CUSTOMER) {
          await page.getByRole("link", { name: /^buy/ }).first().click();
          await page.getByRole("group", { name: /Events by service/ }).waitFor();
          await accessible(page, `a story ${words}`);
          await visited.fits();
        }
      }));
