// The page: who is signed in, which view is shown, and what they share.

import { Calls } from "./calls.js";
import { element } from "./element.js";
import { announce, problem } from "./problem.js";
import { Session } from "./session.js";
import { chooseTheme } from "./theme.js";

/**
 * Views by the first word of the address. `who` says whose they are: anybody's unless it is there. Each is
 * loaded when it is first shown; index.html names what the first one needs.
 */
const VIEWS = {
  market: {
    title: "Market",
    load: async () => (await import("./market.js")).marketView,
  },
  account: {
    title: "Account",
    load: async () => (await import("./account.js")).accountView,
    who: (session) => session.is("ROLE_USER"),
  },
  story: {
    title: "Stories",
    load: async () => (await import("./story.js")).storyView,
    who: (session) => session.user !== null,
  },
  events: {
    title: "Events",
    load: async () => (await import("./events.js")).eventsView,
    who: (session) => session.user !== null,
  },
  map: { title: "Map", load: async () => (await import("./map.js")).mapView },
  catalog: {
    title: "Contract",
    load: async () => (await import("./catalog.js")).catalogView,
  },
  letters: {
    title: "Dead letters",
    load: async () => (await import("./letters.js")).lettersView,
    who: (session) => session.operates,
  },
  health: {
    title: "Health",
    load: async () => (await import("./health.js")).healthView,
    who: (session) => session.operates,
  },
  "sign-in": {
    title: "Sign in",
    load: async () => (await import("./sign_in.js")).signInView,
    hidden: true,
  },
};

const FIRST = "market";

/** When the session is tried again after the platform has not answered, in milliseconds. */
const RESTORED_AGAIN = 3000;

const main = document.getElementById("main");
const session = new Session();
let context;
let leaving = new AbortController();
/** Where to go on once somebody has signed in. */
let wanted = "";

/** "#/story/abc" is the view "story" with "abc". */
function address() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  return { name: Object.hasOwn(VIEWS, name) ? name : FIRST, rest: rest.map(decoded) };
}

/** A part of the address without its percent signs; as it is, where somebody has written nonsense. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function show({ moved }) {
  const { name, rest } = address();
  const view = VIEWS[name];
  leaving.abort();
  leaving = new AbortController();
  document.title = `${view.title} · Outcry`;
  main.className = `view-${name}`;
  main.replaceChildren();
  showViews(name);
  if (name !== "sign-in") wanted = location.hash;
  open(view, { ...context, signal: leaving.signal, rest });
  if (!moved) return;
  // Whoever moves by keyboard or hears the page starts at the new view.
  main.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  announce(view.title);
}

/** Opens a view, or says who may see it and how to get there. */
async function open(view, given) {
  const { signal } = given;
  const allowed = !view.who || view.who(session);
  if (!allowed && session.user) {
    main.append(othersOnly(view));
    return;
  }
  try {
    const shown = await (allowed ? view : VIEWS["sign-in"]).load();
    if (signal.aborted) return;
    await shown(main, allowed ? given : { ...given, why: `Sign in to see “${view.title}”.` });
  } catch (error) {
    // What should not have happened; unless somebody has moved on meanwhile, it is said.
    if (!signal.aborted)
      main.replaceChildren(problem(error, { again: () => show({ moved: false }) }));
  }
}

function othersOnly({ title }) {
  return element(
    "div.empty",
    {},
    element("h1", {}, title),
    element("p", {}, "This is for other roles than yours."),
    element(
      "p",
      {},
      element("button", { type: "button", onclick: signOut }, "Sign in as somebody else"),
    ),
  );
}

function showViews(current) {
  const links = Object.entries(VIEWS)
    .filter(([, { hidden, who }]) => !hidden && (!who || !session.user || who(session)))
    .map(([name, { title }]) =>
      element("a", { href: `#/${name}`, "aria-current": name === current ? "page" : false }, title),
    );
  document.getElementById("views").replaceChildren(...links);
  // On a phone, the views are wider than the page.
  links
    .find((link) => link.hasAttribute("aria-current"))
    ?.scrollIntoView({ block: "nearest", inline: "center" });
}

function showWho() {
  const { user } = session;
  const who = document.getElementById("who");
  if (!user) {
    who.replaceChildren(element("a.button.primary", { href: "#/sign-in" }, "Sign in"));
    return;
  }
  const roles = (user.roles ?? [])
    .map((role) => role.replace("ROLE_", "").toLowerCase())
    .join(", ");
  who.replaceChildren(
    element(
      "span.who",
      { title: user.email ?? false },
      element("b", {}, user.displayName || user.email || "?"),
      element("span.quiet", {}, roles),
    ),
    element("button", { type: "button", onclick: signOut }, "Sign out"),
  );
}

async function signOut() {
  wanted = "";
  try {
    await session.signOut();
  } catch {
    // The token ends by itself; the page has forgotten it.
  }
}

/** Goes on with the tab's session. While the platform does not answer, the page is nobody's and tries again. */
async function restored() {
  try {
    await session.restore(context.calls);
  } catch (error) {
    if (error.passes) setTimeout(restored, RESTORED_AGAIN);
    else announce("Your session has ended: sign in again");
  }
}

async function begin() {
  chooseTheme(document.getElementById("theme"));
  const answer = await fetch("/console/contract.json");
  if (!answer.ok)
    throw new Error(
      `the contract could not be loaded: the platform answered with ${answer.status}`,
    );
  const contract = await answer.json();
  const nobody = { token: async () => "", reject() {} };
  session.open(new Calls(contract, nobody));
  context = { session, contract, calls: new Calls(contract, session) };
  await restored();
  session.addEventListener("change", () => {
    showWho();
    if (address().name === "sign-in" && session.user) location.hash = wanted || `#/${FIRST}`;
    else show({ moved: true });
  });
  addEventListener("hashchange", () => {
    // The link that skips the bar is no address of a view.
    if (location.hash === "#main") history.replaceState(null, "", wanted || `#/${FIRST}`);
    else show({ moved: true });
  });
  showWho();
  show({ moved: false });
}

begin().catch((error) => main.replaceChildren(problem(error, { again: () => location.reload() })));
