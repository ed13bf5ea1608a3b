// @ts-check
/** The HTTP calls of a signed-in user. A refused token is renewed once; calls that may be repeated are tried again. */
import { fullJitter } from './backoff.js';
import { Refused, Unanswered } from './codes.js';
import { call } from './http.js';

/** @typedef {import('./types.js').Summary} Summary */
/** @typedef {import('./types.js').Member} Member */
/** @typedef {import('./types.js').User} User */
/** @typedef {import('./types.js').Role} Role */

/** Tries of one call; all calls here are harmless to repeat. */
const TRIES = 3;

export class Api {
  #parts;

  /** @param {{base: string, auth: import('./auth.js').Auth, fetch?: typeof fetch}} parts */
  constructor(parts) {
    this.#parts = parts;
  }

  /** @param {string} id of a user, or a handle with its `@` @returns {Promise<User>} */
  user(id) {
    return this.#call('GET', `/v1/users/${encodeURIComponent(id)}`);
  }

  /** @param {string[]} ids at most 100 @returns {Promise<User[]>} */
  async users(ids) {
    return (await this.#call('GET', `/v1/users?ids=${ids.map(encodeURIComponent).join(',')}`)).users;
  }

  /** @param {string} chat @returns {Promise<Summary>} */
  chat(chat) {
    return this.#call('GET', `/v1/chats/${chat}`);
  }

  /** @param {string} user id, or handle with its `@` @returns {Promise<Summary>} */
  createDirect(user) {
    return this.#call('POST', '/v1/chats', { kind: 'direct', with: user });
  }

  /** @param {{clientId: string, title: string, members: string[]}} group @returns {Promise<Summary>} */
  createGroup({ clientId, title, members }) {
    return this.#call('POST', '/v1/chats', { kind: 'group', client_id: clientId, title, members });
  }

  /** @param {string} chat @param {string} title @returns {Promise<Summary>} */
  rename(chat, title) {
    return this.#call('PATCH', `/v1/chats/${chat}`, { title });
  }

  /** @param {string} chat @param {string | null} cursor @returns {Promise<{members: Member[], more: string | null}>} */
  members(chat, cursor) {
    const query = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    return this.#call('GET', `/v1/chats/${chat}/members?limit=100${query}`);
  }

  /** Adds a member, or changes the role of one. @param {string} chat @param {string} user @param {Role} role */
  setMember(chat, user, role) {
    return this.#call('PUT', `/v1/chats/${chat}/members/${encodeURIComponent(user)}`, { role });
  }

  /** @param {string} chat @param {string} user oneself: leave */
  removeMember(chat, user) {
    return this.#call('DELETE', `/v1/chats/${chat}/members/${encodeURIComponent(user)}`);
  }

  /** @param {string} method @param {string} path @param {any} [body] */
  async #call(method, path, body) {
    let renew = false;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const token = await this.#parts.auth.token({ renew });
        return await call(this.#parts.base, method, path, { body, token, fetch: this.#parts.fetch });
      } catch (error) {
        const tokenRefused = error instanceof Refused && (error.retry === 'refresh_token' || error.status === 401);
        const again = tokenRefused ? !renew : error instanceof Unanswered || (error instanceof Refused && error.retry === 'backoff');
        if (!again || attempt >= TRIES) throw error;
        if (tokenRefused) renew = true;
        else await pause((error instanceof Refused ? error.retryAfterMs : null) ?? fullJitter(attempt));
      }
    }
  }
}

/** @param {number} ms */
const pause = (ms) => new Promise((done) => setTimeout(done, Math.min(ms, 5_000)));
