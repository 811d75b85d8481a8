import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Client, type Interceptor } from "@connectrpc/connect";
import type { UserService, Tokens } from "./gen/outcry/users/v1/user_service_pb.js";
import { Refusal } from "./refusal.js";

/** A token is renewed this long before its end, in milliseconds: longer than a call takes. */
const RENEWED_BEFORE_MS = 30_000;

/** Who signs in. Kept in memory only, to sign in again when the session has ended. */
export interface Credentials {
  readonly email: string;
  readonly password: string;
}

/** When a token should be renewed: half a minute before its end, or in the middle of a short life. */
export function renewalTime(now: number, expiresAt: number): number {
  return expiresAt - Math.min(RENEWED_BEFORE_MS, Math.max(expiresAt - now, 0) / 2);
}

/** A signed-in user's tokens, renewed before they end. */
export class Session {
  readonly #users: Client<typeof UserService>;
  readonly #credentials: Credentials;
  #tokens: { access: string; refresh: string; renewAt: number } | undefined;
  #renewing: Promise<string> | undefined;

  constructor(users: Client<typeof UserService>, credentials: Credentials) {
    this.#users = users;
    this.#credentials = credentials;
  }

  /** An access token that is good for a call. */
  async token(): Promise<string> {
    if (this.#tokens && Date.now() < this.#tokens.renewAt) return this.#tokens.access;
    // One renewal for all who wait: a refresh token works once.
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  /** Says that a token was not taken, or the present one: the next call gets another. */
  reject(token = this.#tokens?.access): void {
    if (this.#tokens && this.#tokens.access === token) this.#tokens.renewAt = 0;
  }

  /** Ends the session at the platform. */
  async signOut(): Promise<void> {
    const refreshToken = this.#tokens?.refresh;
    this.#tokens = undefined;
    if (refreshToken) await this.#users.logout({ refreshToken });
  }

  async #renew(): Promise<string> {
    const refreshToken = this.#tokens?.refresh;
    this.#tokens = undefined;
    if (refreshToken) {
      try {
        return this.#keep((await this.#users.refresh({ refreshToken })).tokens);
      } catch (error) {
        // The session has ended, or nobody knows whether the token was used: both ask for a new session.
        if (Refusal.from(error).code === "INVALID_ARGUMENT") throw error;
      }
    }
    return this.#keep((await this.#users.login(this.#credentials)).tokens);
  }

  #keep(tokens: Tokens | undefined): string {
    if (!tokens?.accessExpiresAt) throw new ConnectError("no tokens in the answer", Code.Internal);
    const renewAt = renewalTime(Date.now(), timestampMs(tokens.accessExpiresAt));
    this.#tokens = { access: tokens.accessToken, refresh: tokens.refreshToken, renewAt };
    return tokens.accessToken;
  }
}

/** Puts the session's token on every call, and another one when it is not taken. */
export function authorized(session: () => Session): Interceptor {
  return (next) => async (request) => {
    const token = await session().token();
    request.header.set("authorization", `Bearer ${token}`);
    try {
      return await next(request);
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Unauthenticated) throw error;
      session().reject(token);
      // Nothing was carried out, so any call may be made again.
      request.header.set("authorization", `Bearer ${await session().token()}`);
      return next(request);
    }
  };
}
