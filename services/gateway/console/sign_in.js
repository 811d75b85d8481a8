// Signing in, and registering.

import { element } from "./element.js";
import { field, sending } from "./form.js";
import { confirmDone } from "./problem.js";
import { randomId } from "./words.js";

/** Shows both ways in. */
export function signInView(main, { session, why }) {
  const signIn = credentials("current-password", "Sign in");
  sending(signIn.form, () => session.signIn(signIn.email.value.trim(), signIn.password.value));

  const name = element("input", { autocomplete: "name", maxlength: 128, required: true });
  const join = credentials(
    "new-password",
    "Register",
    field("display_name", "Name", name),
    "Ten characters or more.",
  );
  let requestId = randomId();
  join.form.addEventListener("input", () => (requestId = randomId()));
  sending(join.form, async () => {
    await session.register(
      requestId,
      name.value.trim(),
      join.email.value.trim(),
      join.password.value,
    );
    confirmDone("Welcome. Your account is open.");
  });

  main.append(
    element(
      "div.doors",
      {},
      element("h1", {}, why ?? "Sign in"),
      element(
        "section.panel",
        { "aria-label": "Sign in" },
        element("h2", {}, "I have an account"),
        signIn.form,
      ),
      element(
        "section.panel",
        { "aria-label": "Register" },
        element("h2", {}, "I am new here"),
        join.form,
      ),
    ),
  );
}

function credentials(kind, action, before, hint) {
  const email = element("input", {
    type: "email",
    autocomplete: "username",
    maxlength: 254,
    required: true,
  });
  const password = element("input", {
    type: "password",
    autocomplete: kind,
    maxlength: 256,
    required: true,
  });
  const form = element(
    "form",
    {},
    before,
    field("email", "E-mail", email),
    field("password", "Password", password, { hint }),
    element("div.actions", {}, element("button.primary", { type: "submit" }, action)),
  );
  return { form, email, password };
}
