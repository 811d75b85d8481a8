import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient, type Client, type Interceptor, type Transport } from "@connectrpc/connect";
import { FundsService } from "./gen/outcry/funds/v1/funds_service_pb.js";
import {
  OrderService,
  type Order,
  type StreamOrderUpdatesResponse,
} from "./gen/outcry/orders/v1/order_service_pb.js";
import type { OrderTermsSchema } from "./gen/outcry/orders/v1/types_pb.js";
import { PaymentService, type Payment } from "./gen/outcry/payments/v1/payment_service_pb.js";
import type { Money } from "./gen/outcry/types/v1/money_pb.js";
import { UserService, type User } from "./gen/outcry/users/v1/user_service_pb.js";
import { followOrders, type FollowOptions } from "./order_updates.js";
import { Refusal } from "./refusal.js";
import { retrying } from "./retry.js";
import { Session, authorized, type Credentials } from "./session.js";

/** Deadline of a call and all its attempts, in milliseconds, if the caller names none. */
export const CALL_TIMEOUT_MS = 30_000;

/** Makes a transport with these interceptors: gRPC in Node, gRPC-Web in a browser. */
export type TransportFactory = (interceptors: Interceptor[]) => Transport;

/** Who places a command again with the id of the first gets the answer of the first. */
export interface CommandOptions {
  /** A UUID; a new one when left out. */
  readonly requestId?: string;
}

/** A trader's view of the platform. Every method throws a [Refusal] when it is refused. */
export class OutcryClient {
  /** All calls of these services, with the token, the deadline and the retries of this client. */
  readonly orders: Client<typeof OrderService>;
  readonly payments: Client<typeof PaymentService>;
  readonly funds: Client<typeof FundsService>;
  readonly #transport: Transport;
  /** Without a token: signing in must not need one. */
  readonly #users: Client<typeof UserService>;
  #session: Session | undefined;

  constructor(transports: TransportFactory) {
    this.#users = createClient(UserService, transports([retrying]));
    this.#transport = transports([retrying, authorized(() => this.#signedIn())]);
    this.orders = this.service(OrderService);
    this.payments = this.service(PaymentService);
    this.funds = this.service(FundsService);
  }

  /** Any other service of the platform, called as this client's user. */
  service<Service extends Parameters<typeof createClient>[0]>(service: Service): Client<Service> {
    return createClient(service, this.#transport);
  }

  /** Registers a new user. */
  async register(who: Credentials, displayName: string, options?: CommandOptions): Promise<User> {
    return refused(async () => {
      const { user } = await this.#users.register({ ...who, ...id(options), displayName });
      return present(user, "user");
    });
  }

  /** Signs in; tokens are renewed from then on. */
  async signIn(who: Credentials): Promise<void> {
    const session = new Session(this.#users, who);
    await refused(() => session.token());
    this.#session = session;
  }

  /** Ends the session. */
  async signOut(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await refused(async () => session?.signOut());
  }

  /** Cash that can be spent. */
  async availableCash(): Promise<Money | undefined> {
    const { balances } = await refused(() => this.funds.getBalances({}));
    for (const { available } of balances) {
      if (available?.asset.case === "cash") return available.asset.value;
    }
    return undefined;
  }

  /** Starts a deposit; the cash is there once the provider has captured it. */
  async deposit(amount: Money, options?: CommandOptions): Promise<Payment> {
    return refused(async () => {
      const { payment } = await this.payments.createPayment({ ...id(options), amount });
      return present(payment, "payment");
    });
  }

  /** Places an order; answers when the venue has decided. */
  async place(
    terms: MessageInitShape<typeof OrderTermsSchema>,
    options?: CommandOptions & { readonly clientOrderId?: string },
  ): Promise<Order> {
    return refused(async () => {
      const clientOrderId = options?.clientOrderId ?? "";
      const { order } = await this.orders.placeOrder({ ...id(options), clientOrderId, terms });
      return present(order, "order");
    });
  }

  /** Cancels an order; answers with it as the venue left it. */
  async cancel(orderId: string, options?: CommandOptions): Promise<Order> {
    return refused(async () => {
      const { order } = await this.orders.cancelOrder({ ...id(options), orderId });
      return present(order, "order");
    });
  }

  /** Follows the changes of one's orders, across lost streams. */
  follow(options: FollowOptions): AsyncGenerator<StreamOrderUpdatesResponse> {
    return followOrders(this.orders, options, () => this.#session?.reject());
  }

  #signedIn(): Session {
    if (!this.#session) throw new Error("sign in first");
    return this.#session;
  }
}

function id(options: CommandOptions | undefined): { requestId: string } {
  return { requestId: options?.requestId ?? crypto.randomUUID() };
}

function present<T>(answered: T | undefined, what: string): T {
  if (answered === undefined) throw new Error(`the answer has no ${what}`);
  return answered;
}

async function refused<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw Refusal.from(error);
  }
}
