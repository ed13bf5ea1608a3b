// @ts-check
/**
 * Who is signed in, in this tab. Tokens live in the session storage, so two tabs can be two users; they are renewed
 * before they end, by one call however many ask at once. A refresh token that is refused ends the session: `onEnd`.
 */
import { Refused } from './codes.js';
import { call } from './http.js';

/** @typedef {import('./types.js').User} User */
/** @typedef {{user: User, access: string, access_expires_at: string, refresh: string}} Grant */

const KEY = 'tidings.grant';
/** A token that ends sooner than this is renewed before it is used. */
const RENEW_BEFORE_MS = 30_000;

export class Auth {
  /** @type {Grant | null} null when nobody is signed in */
  #grant;
  /** When a token was last renewed: a device whose clock is wrong must not renew with every call. */
  #renewedAt = -Infinity;
  /** @type {Promise<void> | null} the renewal under way, shared by all who wait for it */
  #renewal = null;
  #base;
  #session;
  #fetch;
  /** @type {() => void} called once when the server ends the session */
  onEnd = () => {};

  /** @param {{base: string, session: import('./storage.js').Storage, fetch?: typeof fetch}} parts */
  constructor({ base, session, fetch: send }) {
    this.#base = base;
    this.#session = session;
    this.#fetch = send;
    const kept = session.read(KEY);
    this.#grant = typeof kept?.access === 'string' && typeof kept.user?.id === 'string' ? kept : null;
  }

  get user() {
    return this.#grant?.user ?? null;
  }

  /** @param {string} handle @param {string} password */
  async login(handle, password) {
    this.#keep(await this.#post('/v1/auth/login', { handle, password }));
  }

  /** @param {{handle: string, password: string, name: string}} account */
  async register(account) {
    this.#keep(await this.#post('/v1/auth/register', account));
  }

  /** Forgets the tokens here at once; the server is told, but not waited for. */
  async logout() {
    const refresh = this.#grant?.refresh;
    this.#forget();
    if (refresh !== undefined) await this.#post('/v1/auth/logout', { refresh }).catch(() => {});
  }

  /**
   * @param {{renew?: boolean}} [options] `renew`: the server refused the one at hand
   * @returns {Promise<string>} an access token
   */
  async token({ renew = false } = {}) {
    if (this.#grant === null) throw new Refused({ code: 'unauthenticated', retry: 'never' });
    const ending = Date.parse(this.#grant.access_expires_at) - Date.now() < RENEW_BEFORE_MS;
    if (renew || (ending && performance.now() - this.#renewedAt > RENEW_BEFORE_MS)) await this.#renew();
    return this.#grant.access;
  }

  async #renew() {
    this.#renewal ??= this.#renewOnce().finally(() => {
      this.#renewal = null;
    });
    await this.#renewal;
  }

  async #renewOnce() {
    const before = this.#grant;
    try {
      const grant = await this.#post('/v1/auth/refresh', { refresh: before?.refresh });
      if (this.#grant === before && before !== null) this.#keep({ ...before, ...grant });
      this.#renewedAt = performance.now();
    } catch (error) {
      const final = error instanceof Refused && error.status >= 400 && error.status < 500 && error.status !== 429;
      if (final && this.#grant === before) {
        this.#forget();
        this.onEnd();
      }
      throw error;
    }
  }

  /** @param {Grant} grant */
  #keep(grant) {
    this.#grant = grant;
    this.#session.write(KEY, grant);
  }

  #forget() {
    this.#grant = null;
    this.#session.remove(KEY);
  }

  /** Forgets the tokens without ending them: another tab uses them. */
  abandon() {
    this.#forget();
  }

  /** @param {string} path @param {any} body */
  #post(path, body) {
    return call(this.#base, 'POST', path, { body, fetch: this.#fetch });
  }
}
