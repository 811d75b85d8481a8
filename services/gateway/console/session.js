// Who is signed in. The access token is kept in memory, the refresh token for as long as the tab is
// open: closing it signs out, loading the page again does not.

const USERS = "outcry.users.v1.UserService";

/** Where the tab keeps the refresh token. */
const KEPT = "outcry.refresh";

/** A token is renewed this long before its end, in milliseconds: longer than a call takes. */
const RENEWED_BEFORE = 30_000;

/** When a token should be renewed: half a minute before its end, or in the middle of a short life. */
function renewalTime(now, end) {
  return end - Math.min(RENEWED_BEFORE, Math.max(end - now, 0) / 2);
}

/** The one session of the page. Tells of a "change" of the user. */
export class Session extends EventTarget {
  /** Calls that need no session. */
  #open;
  #tokens;
  #renewing;
  /** The signed-in user as the contract has it, or null. */
  user = null;

  /** @param open makes calls without a token */
  open(open) {
    this.#open = open;
  }

  /** Goes on with what the tab has kept. */
  async restore(calls) {
    const refresh = sessionStorage.getItem(KEPT);
    if (!refresh) return;
    this.#tokens = { refresh, renewAt: 0 };
    try {
      const { user } = await calls.call(`${USERS}/GetMe`);
      this.#become(user);
    } catch (error) {
      // Later, when the platform answers again, the same token still counts.
      if (!error.passes) this.#forget();
      throw error;
    }
  }

  async signIn(email, password) {
    const { tokens, user } = await this.#open.call(`${USERS}/Login`, { email, password });
    this.#keep(tokens);
    this.#become(user);
  }

  async register(requestId, displayName, email, password) {
    const request = { requestId, displayName, email, password };
    await this.#open.call(`${USERS}/Register`, request);
    await this.signIn(email, password);
  }

  async signOut() {
    const refreshToken = this.#tokens?.refresh;
    this.#forget();
    if (refreshToken) await this.#open.call(`${USERS}/Logout`, { refreshToken });
  }

  /** An access token that is good for a call, or nothing when nobody is signed in. */
  async token() {
    if (!this.#tokens) return "";
    if (Date.now() < this.#tokens.renewAt) return this.#tokens.access;
    // One renewal for all who wait: a refresh token works once.
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  /** Says that a token was not taken: the next call gets another. */
  reject(token) {
    if (this.#tokens?.access === token) this.#tokens.renewAt = 0;
  }

  /** Whether the user has one of these roles. */
  is(...roles) {
    return (this.user?.roles ?? []).some((role) => roles.includes(role));
  }

  /** Whether the user sees what is other people's. */
  get operates() {
    return this.is("ROLE_ADMIN", "ROLE_VIEWER");
  }

  async #renew() {
    try {
      const refreshToken = this.#tokens.refresh;
      const { tokens } = await this.#open.call(`${USERS}/Refresh`, { refreshToken });
      return this.#keep(tokens);
    } catch (error) {
      if (!error.passes) this.#forget();
      throw error;
    }
  }

  #keep({ accessToken, accessExpiresAt, refreshToken }) {
    const renewAt = renewalTime(Date.now(), Date.parse(accessExpiresAt));
    this.#tokens = { access: accessToken, refresh: refreshToken, renewAt };
    sessionStorage.setItem(KEPT, refreshToken);
    return accessToken;
  }

  #become(user) {
    this.user = user;
    this.dispatchEvent(new Event("change"));
  }

  #forget() {
    this.#tokens = undefined;
    sessionStorage.removeItem(KEPT);
    if (this.user) this.#become(null);
  }
}
