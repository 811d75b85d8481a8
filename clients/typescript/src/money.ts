import { create } from "@bufbuild/protobuf";
import { MoneySchema, type Money } from "./gen/outcry/types/v1/money_pb.js";

/** Billionths in a unit. */
const NANOS = 1_000_000_000n;
/** Outcry keeps this many decimals. */
const DECIMALS = 4;
/** Ten-thousandths in a unit, and billionths in one of those. */
const RAW_PER_UNIT = 10_000n;
const NANOS_PER_RAW = NANOS / RAW_PER_UNIT;
/** The currency that the platform trades in. */
const CURRENCY = "USD";

/** An amount in decimals without trailing zeros, for example `100.25`. */
export function moneyText(money: Pick<Money, "units" | "nanos">): string {
  const total = money.units * NANOS + BigInt(money.nanos);
  const size = total < 0n ? -total : total;
  const fraction = (size % NANOS).toString().padStart(9, "0").replace(/0+$/, "");
  return `${total < 0n ? "-" : ""}${size / NANOS}${fraction ? `.${fraction}` : ""}`;
}

/** An amount in ten-thousandths, in which the platform counts. */
export function rawAmount({ units, nanos }: Pick<Money, "units" | "nanos">): bigint {
  return units * RAW_PER_UNIT + BigInt(nanos) / NANOS_PER_RAW;
}

/** The amount of so many ten-thousandths. */
export function fromRaw(raw: bigint, currencyCode = CURRENCY): Money {
  const nanos = Number((raw % RAW_PER_UNIT) * NANOS_PER_RAW);
  return create(MoneySchema, { currencyCode, units: raw / RAW_PER_UNIT, nanos });
}

/** Reads an amount as people write it: `100`, `99.5`, `-0.25`. */
export function money(text: string, currencyCode = CURRENCY): Money {
  const found = /^(-?)(\d{1,15})(?:\.(\d{1,9}))?$/.exec(text);
  const fraction = found?.[3] ?? "";
  if (!found || fraction.length > DECIMALS) {
    throw new RangeError(
      `"${text}" is not an amount: write it like 99.5, with at most four decimals`,
    );
  }
  const sign = found[1] === "-" ? -1 : 1;
  return create(MoneySchema, {
    currencyCode,
    units: BigInt(sign) * BigInt(found[2] ?? "0"),
    // `|| 0` turns the -0 of an amount without decimals into 0.
    nanos: sign * Number(fraction.padEnd(9, "0")) || 0,
  });
}
