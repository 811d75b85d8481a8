// What went wrong, and what to do next.

import { element } from "./element.js";

/** What to do, by the platform's own word for it. */
const BY_REASON = {
  BAD_CREDENTIALS: "Check the e-mail address and the password. Who is new here registers first.",
  LOGIN_LOCKED: "Too many wrong passwords. Wait some minutes, then try again.",
  EMAIL_TAKEN: "Sign in with this address, or register with another one.",
  REFRESH_TOKEN_REUSED:
    "The session was used elsewhere, as by a copied tab, and has ended for safety. Sign in again.",
  BAD_REFRESH_TOKEN: "The session has ended. Sign in again.",
  RATE_LIMITED: "That was more than your allowance. Wait a moment, then try again.",
  TOO_BUSY: "The platform has all hands full. Wait a moment, then try again.",
  TOO_MANY_AT_ONCE:
    "You have too much open at once. Close other tabs of the console, then try again.",
  REQUEST_ID_REUSED:
    "This was sent before with other content. Check whether it was carried out, then start anew.",
  FLOW_TOO_LONG:
    "The flow is too long to be shown as one. Look at its events in the live tail instead.",
  POSITION_BEYOND_END: "The archive is shorter than what was seen before. Load the page again.",
  AUDIT_NOT_HERE: "Run the command where the database can be reached, and look at what it says.",
  AUDIT_TOO_LARGE: "Run the command beside the platform: it has a process to itself.",
  AUDIT_UNDER_WAY: "Wait until it has ended. What it finds is shown by itself.",
  SUBSCRIBER_TOO_SLOW: "More came than this page could take. Filter the topics.",
};

/** What to do, by gRPC's code. */
const BY_CODE = {
  INVALID_ARGUMENT: "Mend what is marked and send it again.",
  UNAUTHENTICATED: "Sign in again.",
  PERMISSION_DENIED: "Your roles do not allow this. Sign in as somebody who may.",
  NOT_FOUND: "It may be somebody else's, or not be there any more. Check the id.",
  ALREADY_EXISTS: "Use what is there, or choose another name.",
  FAILED_PRECONDITION: "Look at how things stand now, then decide again.",
  UNAVAILABLE: "The platform may be starting or on its way back. Try again in a moment.",
  DEADLINE_EXCEEDED: "It may have been carried out all the same. Look before you send it again.",
  UNIMPLEMENTED: "This platform is older than the page. Load the page again.",
};

const ELSE = "Try again. If it stays, give the correlation id to whoever runs the platform.";

/** A message with the next step, and the id under which the platform's logs have it. */
export function problem(error, { again } = {}) {
  const next = BY_REASON[error.reason] ?? BY_CODE[error.code] ?? ELSE;
  const facts = [error.code, error.reason].filter(Boolean).join(" · ");
  return element(
    "div.problem",
    { role: "alert" },
    element("strong", {}, sentence(error.message)),
    element("p", {}, next),
    error.violations?.length > 0 &&
      element(
        "ul",
        {},
        error.violations.map(({ field, description }) =>
          element("li", {}, element("code", {}, field), ` ${description}`),
        ),
      ),
    facts && element("p.quiet.small", {}, facts),
    error.correlationId &&
      element(
        "p.quiet.small",
        {},
        "Correlation id ",
        element("code", {}, error.correlationId),
        " ",
        copier(error.correlationId),
      ),
    again && element("button", { type: "button", onclick: again }, "Try again"),
  );
}

/** A button that copies a text, where the browser lets it. */
export function copier(text, what = "Copy") {
  if (!navigator.clipboard) return null;
  const onclick = async ({ currentTarget: button }) => {
    try {
      await navigator.clipboard.writeText(text);
      announce("Copied");
      button.textContent = "Copied";
    } catch {
      announce("The browser did not let it be copied");
    }
    setTimeout(() => (button.textContent = what), 1500);
  };
  return element("button.small", { type: "button", onclick }, what);
}

/** Says something to those who do not see the page change. */
export function announce(text) {
  document.getElementById("announcements").textContent = text;
}

/** Shows something that has been done, for a moment. */
export function confirmDone(text) {
  announce(text);
  const note = element("div.note", {}, text);
  document.getElementById("notes").append(note);
  setTimeout(() => note.remove(), 5000);
}

/** A text as a sentence begins. */
function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
