// Every view of the console, in one browser.

import { after } from "node:test";
import { quit } from "./browser.mjs";

import "./views/first_load.mjs";
import "./views/market.mjs";
// Opens the account that the further ones use.
import "./views/account.mjs";
import "./views/story.mjs";
import "./views/keyboard.mjs";
import "./views/roles.mjs";
import "./views/events.mjs";
import "./views/map.mjs";
import "./views/catalog.mjs";
import "./views/letters.mjs";
import "./views/looks.mjs";
import "./views/health.mjs";

after(quit);
