import { money } from "../money.js";
import { grpcClient } from "../node.js";
import { tell } from "../story.js";
import { count, options, print, required, variable } from "./arguments.js";

/** Where a platform listens unless told otherwise. */
const ADDRESS = "http://127.0.0.1:7400";

/** `trade`: buys, cancels, is refused, and prints how that went. */
export async function trade(args: string[]): Promise<boolean> {
  const found = options(args, ["symbol", "quantity", "limit"]);
  const limit = found.get("limit")?.at(-1);
  const purchase = {
    symbol: required(found, "symbol"),
    quantity: BigInt(count(found, "quantity", 1, 1)),
    ...(limit && { limit: money(limit) }),
  };
  const who = { email: variable("OUTCRY_EMAIL"), password: variable("OUTCRY_PASSWORD") };
  const outcome = await tell(grpcClient(variable("OUTCRY_ADDRESS", ADDRESS)), who, purchase);
  print(outcome);
  return true;
}
