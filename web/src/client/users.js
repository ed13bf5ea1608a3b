// @ts-check
/** Names of users by id, asked for once, up to 100 in a call. What cannot be had yet is asked for again when needed again. */

/** @typedef {import('./types.js').User} User */

const PER_CALL = 100;
/** Names kept; beyond it all are asked for anew as they are needed. */
const KEPT = 20_000;

export class Users {
  /** @type {Map<string, User>} */
  #known = new Map();
  /** @type {Set<string>} to be asked for in the next call */
  #wanted = new Set();
  /** @type {Set<string>} asked for, or known not to be there; not asked for again by this page */
  #asked = new Set();
  #scheduled = false;
  #fetch;
  #changed;

  /**
   * @param {(ids: string[]) => Promise<User[]>} fetchUsers
   * @param {() => void} changed new names are there
   */
  constructor(fetchUsers, changed) {
    this.#fetch = fetchUsers;
    this.#changed = changed;
  }

  /** @param {User} user */
  put(user) {
    if (this.#known.size >= KEPT) this.#known.clear();
    this.#known.set(user.id, user);
  }

  /** @param {string | null | undefined} id @returns {User | null} null while not known; it is then asked for */
  get(id) {
    if (!id) return null;
    const user = this.#known.get(id);
    if (user === undefined) this.#want(id);
    return user ?? null;
  }

  /** @param {string} id */
  #want(id) {
    if (this.#asked.has(id)) return;
    this.#wanted.add(id);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setTimeout(() => void this.#ask(), 0);
  }

  async #ask() {
    this.#scheduled = false;
    const ids = [...this.#wanted].slice(0, PER_CALL);
    for (const id of ids) {
      this.#wanted.delete(id);
      this.#asked.add(id);
    }
    if (ids.length === 0) return;
    try {
      for (const user of await this.#fetch(ids)) this.put(user);
      this.#changed();
    } catch {
      for (const id of ids) this.#asked.delete(id);
    }
    const [next] = this.#wanted;
    if (next !== undefined) await this.#ask();
  }
}
