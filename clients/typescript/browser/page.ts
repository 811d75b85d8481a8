import { tell } from "../src/story.js";
import { grpcWebClient } from "../src/web.js";

const form = document.querySelector("form");
const output = document.querySelector("output");

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = new FormData(form);
  const field = (name: string) => String(fields.get(name) ?? "");
  const who = { email: field("email"), password: field("password") };
  tell(grpcWebClient(field("address")), who, { symbol: field("symbol"), quantity: 1n })
    .then((outcome) => show("done", JSON.stringify(outcome)))
    .catch((error: unknown) => show("failed", String(error)));
});

function show(state: "done" | "failed", text: string): void {
  if (!output) return;
  output.textContent = text;
  output.dataset["state"] = state;
}
