// Forms: labelled fields, what is wrong said at the field, and dialogs that ask.

import { element } from "./element.js";
import { problem } from "./problem.js";

let made = 0;

/**
 * A labelled field. `name` is the field's path in the request, as refusals name it.
 *
 * @param control an input or a select without an id
 */
export function field(name, label, control, { hint } = {}) {
  const id = `field-${++made}`;
  control.id = id;
  control.name = name;
  control.setAttribute("aria-describedby", `${id}-wrong${hint ? ` ${id}-hint` : ""}`);
  return element(
    "div.field",
    { "data-field": name },
    element("label", { for: id }, label),
    control,
    hint && element("p.quiet.small", { id: `${id}-hint` }, hint),
    element("p.wrong", { id: `${id}-wrong` }),
  );
}

/** A choice between some values: `[value, text]`. */
export function choices(options, chosen) {
  return element(
    "select",
    {},
    options.map(([value, text]) => element("option", { value, selected: value === chosen }, text)),
  );
}

/** Says at each field what is wrong with it, by the fields' names; the rest is given back. */
export function mark(form, violations) {
  const left = [];
  for (const node of form.querySelectorAll(".wrong")) node.textContent = "";
  for (const node of form.querySelectorAll("[aria-invalid]")) node.removeAttribute("aria-invalid");
  for (const violation of violations) {
    const holder = form.querySelector(
      `[data-field="${CSS.escape(violation.field)}"]:not([hidden])`,
    );
    if (!holder) {
      left.push(violation);
      continue;
    }
    const control = holder.querySelector("input, select");
    control.setAttribute("aria-invalid", "true");
    const wrong = holder.querySelector(".wrong");
    wrong.textContent = [wrong.textContent, violation.description].filter(Boolean).join("; ");
  }
  form.querySelector("[aria-invalid]")?.focus();
  return left;
}

/**
 * Sends a form when it is asked for: once at a time, with problems shown at the fields and below.
 *
 * @param send does it
 */
export function sending(form, send) {
  const below = element("div.form-problem");
  form.append(below);
  form.noValidate = true;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.dataset.busy) return;
    const buttons = form.querySelectorAll("button[type=submit], button:not([type])");
    form.dataset.busy = "yes";
    for (const button of buttons) button.disabled = true;
    below.replaceChildren();
    mark(form, []);
    try {
      await send(event.submitter);
    } catch (error) {
      const left = mark(form, error.violations ?? []);
      if (!error.violations?.length || left.length > 0) below.replaceChildren(problem(error));
    } finally {
      delete form.dataset.busy;
      for (const button of buttons) button.disabled = false;
    }
  });
  return form;
}

/** What is wrong with a form before it is sent; shown as the platform's own findings are. */
export class Unfit extends Error {
  constructor(violations) {
    super("some fields are not right yet");
    this.violations = violations;
  }
}

/**
 * Asks before something is done. The dialog closes when it has been done, or is not wanted.
 *
 * @param options `title`; `children`; `action` (the button's text); `danger`; `act()` does it
 */
export function ask({ title, children = [], action, danger = false, act }) {
  const close = () => dialog.close();
  const form = element(
    "form",
    {},
    element("h2", { id: "dialog-title" }, title),
    children,
    element(
      "div.actions",
      {},
      element("button", { type: "button", onclick: close }, "Cancel"),
      element(danger ? "button.danger" : "button.primary", { type: "submit" }, action),
    ),
  );
  const dialog = element("dialog", { "aria-labelledby": "dialog-title" }, form);
  sending(form, async () => {
    await act();
    close();
  });
  // The browser gives the focus back to what opened it.
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
