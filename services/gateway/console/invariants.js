// What the audit's invariants say, in a few words each.

/** By the numbers the audit has them under. */
const INVARIANTS = {
  I1: "Every transaction of the ledger sums to nothing",
  I2: "No user's account is below nothing",
  I3: "What is locked is the sum of the open locks",
  I4: "A lock is posted, released and left over in full, and ends once",
  I5: "An order that has ended has nothing locked",
  I6: "Balances follow from deposits, withdrawals, fees and trades",
  I7: "Shares and cash of a trade are the same on both sides",
  I8: "An order's quantities and average price add up",
  I9: "Nobody trades beyond a limit, or spends more than is locked",
  I10: "Better prices trade first, and earlier orders before later ones",
  I11: "Orders rest, trade whole or expire as their terms say",
  I12: "Nobody trades with themselves",
  I13: "Books built anew are the books there are",
  I14: "Every event had its effect once in every consumer",
  I15: "Histories have no gaps and no forbidden steps",
  I16: "Orders, trades, payments and reports end once",
  I17: "A captured payment is credited once",
  I18: "Withdrawals are never more than there was",
  I19: "Tables built anew from events are the tables there are",
  I20: "Lots, profit and cash of portfolios agree",
  I22: "Suspended users place no orders",
  I23: "Every flow is a tree that begins with its command",
  calls: "The records of calls are whole and in order",
  delivery: "Every event was published and archived",
};

/** What an invariant says; its name where that is not known here. */
export function meaning(name) {
  return Object.hasOwn(INVARIANTS, name) ? INVARIANTS[name] : name;
}

/** Whether everything that was checked holds: "holds", "broken", or "unknown" before any audit. */
export function verdict(report) {
  if (!report) return "unknown";
  const broken = (report.invariants ?? []).some(({ breaches = "0" }) => breaches !== "0");
  return broken || (report.breaches ?? []).length > 0 ? "broken" : "holds";
}

/** The share of an audit that is done, of 100. */
export function progress({ stepsDone = 0, steps = 0 }) {
  return steps > 0 ? Math.floor((stepsDone * 100) / steps) : 0;
}
