import { type MessageInitShape } from "@bufbuild/protobuf";
import type { OutcryClient } from "./client.js";
import type { Order, StreamOrderUpdatesResponse } from "./gen/outcry/orders/v1/order_service_pb.js";
import {
  OrderStatus,
  OrderType,
  RejectReason,
  Side,
  TimeInForce,
  type OrderTermsSchema,
} from "./gen/outcry/orders/v1/types_pb.js";
import { TradeService, type Instrument } from "./gen/outcry/trades/v1/trade_service_pb.js";
import type { Money } from "./gen/outcry/types/v1/money_pb.js";
import { fromRaw, money, moneyText, rawAmount } from "./money.js";
import { pause } from "./pause.js";
import { Refusal } from "./refusal.js";
import type { Credentials } from "./session.js";

/** What must be there before an order is placed. */
const CASH = money("1000");
/** Between two looks at something that will be there soon, in milliseconds. */
const POLL_MS = 200;
/** The whole story, in milliseconds; a filled order takes less than a second. */
const STORY_MS = 120_000;
/** A new user's first calls are answered with this until other services have heard of the user. */
const NOT_READY = "ACCOUNT_NOT_READY";
/** How far from the market an order is that shall rest, in ten-thousandths, unless the band is narrower. */
const FAR_BPS = 5_000n;
const BPS = 10_000n;
const FINAL = new Set([
  OrderStatus.FILLED,
  OrderStatus.CANCELLED,
  OrderStatus.REJECTED,
  OrderStatus.EXPIRED,
]);

/** The venue's word that an order is filled may come before the order's own event with the price. */
const ORDER_EVENT = "order.";

/** What is bought. */
export interface Purchase {
  readonly symbol: string;
  readonly quantity: bigint;
  /** At the market when left out. */
  readonly limit?: Money;
}

/** How it went, as `trade` prints it. */
export interface Outcome {
  readonly order_id: string;
  readonly status: string;
  readonly quantity: string;
  readonly average_price: string;
  readonly updates: string[];
  readonly cancelled: string;
  readonly refusal: Pick<Refusal, "code" | "reason" | "violations">;
}

/** Signs in, deposits, buys, cancels, and is refused: the same story in every language and place. */
export async function tell(
  client: OutcryClient,
  who: Credentials,
  purchase: Purchase,
): Promise<Outcome> {
  const late = AbortSignal.timeout(STORY_MS);
  await signIn(client, who);
  await haveCash(client, late);
  const end = new AbortController();
  const updates = new Updates(client, AbortSignal.any([end.signal, late]));
  try {
    const placed = await buy(client, purchase, late);
    const { order, topics } = await updates.until(placed.orderId);
    if (order.status !== OrderStatus.FILLED) {
      throw new Error(`the order is ${OrderStatus[order.status]}: ${order.message}`);
    }
    return {
      order_id: order.orderId,
      status: OrderStatus[order.status],
      quantity: order.cumulativeQuantity.toString(),
      average_price: order.averagePrice ? moneyText(order.averagePrice) : "",
      updates: topics,
      cancelled: await placeAndCancel(client, purchase),
      refusal: await placeNothing(client, purchase),
    };
  } finally {
    end.abort();
    // It ends by itself, too: what happened before is what counts.
    await client.signOut().catch(() => undefined);
  }
}

/** Registers first if nobody has the address. */
async function signIn(client: OutcryClient, who: Credentials): Promise<void> {
  try {
    return await client.signIn(who);
  } catch (error) {
    if (Refusal.from(error).code !== "UNAUTHENTICATED") throw error;
    // The platform does not tell a wrong password from an unknown address; registering does.
    const name = who.email.split("@", 1)[0] ?? who.email;
    await client.register(who, name).catch((registering: unknown) => {
      throw Refusal.from(registering).code === "ALREADY_EXISTS" ? error : registering;
    });
  }
  await client.signIn(who);
}

async function haveCash(client: OutcryClient, late: AbortSignal): Promise<void> {
  const enough = async () => {
    const cash = await client.availableCash();
    return cash !== undefined && cash.units >= CASH.units;
  };
  if (await soon(late, enough, true)) return;
  const requestId = crypto.randomUUID();
  await soon(late, async () => client.deposit(CASH, { requestId }));
  if (!(await soon(late, enough))) throw new Error("the deposit did not arrive in time");
}

/** Looks until there is something, but for `once`; a service that has not heard of the user is asked again. */
async function soon<T>(
  late: AbortSignal,
  look: () => Promise<T>,
  once = false,
): Promise<T | undefined> {
  while (!late.aborted) {
    try {
      const seen = await look();
      if (seen || once) return seen;
    } catch (error) {
      if (Refusal.from(error).reason !== NOT_READY) throw error;
    }
    await pause(POLL_MS, late);
  }
  return undefined;
}

function terms({ symbol, quantity, limit }: Purchase): MessageInitShape<typeof OrderTermsSchema> {
  const type = limit ? OrderType.LIMIT : OrderType.MARKET;
  const timeInForce = TimeInForce.DAY;
  const limitPrice = limit ? { limitPrice: limit } : {};
  return { symbol, side: Side.BUY, type, quantity, timeInForce, ...limitPrice };
}

async function buy(client: OutcryClient, purchase: Purchase, late: AbortSignal): Promise<Order> {
  const placed = await soon(late, async () => {
    const order = await client.place(terms(purchase));
    const early =
      order.rejectReason === RejectReason.ACCOUNT_NOT_READY ||
      order.rejectReason === RejectReason.PORTFOLIO_NOT_OPEN;
    return early ? undefined : order;
  });
  if (!placed) throw new Error("the account was not ready in time");
  return placed;
}

/** A buyer's price far below the market, where nobody sells: within the band and on a tick. */
export function farPrice({
  referencePrice,
  bandBps,
  tick,
}: Pick<Instrument, "referencePrice" | "bandBps" | "tick">): Money {
  if (!referencePrice) throw new Error("the instrument has no price");
  const half = BigInt(bandBps) / 2n;
  const away = half > 0n && half < FAR_BPS ? half : FAR_BPS;
  const step = (tick && rawAmount(tick)) || 1n;
  const price = (rawAmount(referencePrice) * (BPS - away)) / BPS;
  // At least a tick: nothing is bought for nothing.
  return fromRaw((price / step || 1n) * step, referencePrice.currencyCode);
}

/** Rests where nobody sells, and is taken back. */
async function placeAndCancel(client: OutcryClient, { symbol }: Purchase): Promise<string> {
  const { instruments } = await client.service(TradeService).listInstruments({});
  const instrument = instruments.find((one) => one.symbol === symbol);
  if (!instrument) throw new Error(`${symbol} is not traded`);
  const far = farPrice(instrument);
  const placed = await client.place(terms({ symbol, quantity: 1n, limit: far }));
  if (placed.status === OrderStatus.REJECTED) {
    throw new Error(`the order at ${moneyText(far)} was refused: ${placed.message}`);
  }
  const { orderId } = placed;
  const order = await client.cancel(orderId);
  if (order.status !== OrderStatus.CANCELLED) {
    throw new Error(`the order to cancel is ${OrderStatus[order.status]}: ${order.message}`);
  }
  return orderId;
}

async function placeNothing(client: OutcryClient, purchase: Purchase): Promise<Outcome["refusal"]> {
  try {
    await client.place(terms({ ...purchase, quantity: 0n }));
  } catch (error) {
    const { code, reason, violations } = Refusal.from(error);
    return { code, reason, violations };
  }
  throw new Error("an order of nothing was not refused");
}

/** The updates of all orders, followed in the background. */
class Updates {
  readonly #seen: StreamOrderUpdatesResponse[] = [];
  readonly #following: Promise<void>;
  #ended = false;
  #news: () => void = () => undefined;

  constructor(client: OutcryClient, signal: AbortSignal) {
    this.#following = this.#follow(client, signal);
    // Told to whoever waits, not to the process.
    this.#following.catch(() => undefined);
  }

  async #follow(client: OutcryClient, signal: AbortSignal): Promise<void> {
    try {
      for await (const update of client.follow({ signal })) {
        this.#seen.push(update);
        this.#news();
      }
    } finally {
      this.#ended = true;
      this.#news();
    }
  }

  /** Waits until an order is final. */
  async until(orderId: string): Promise<{ order: Order; topics: string[] }> {
    for (;;) {
      const news = new Promise<void>((done) => (this.#news = done));
      const ours = this.#seen.filter(({ order }) => order?.orderId === orderId);
      const order = ours.at(-1)?.order;
      if (order && FINAL.has(order.status) && ours.at(-1)?.topic.startsWith(ORDER_EVENT)) {
        return { order, topics: ours.map(({ topic }) => topic) };
      }
      if (this.#ended) {
        await this.#following;
        throw new Error(`order ${orderId} was not final in time`);
      }
      await news;
    }
  }
}
