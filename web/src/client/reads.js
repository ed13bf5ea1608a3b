// @ts-check
/** Own read positions on their way: the newest of each chat, gathered for a moment, told again after a lost connection. */
import { Refused } from './codes.js';

const GATHER_MS = 250;

export class Reads {
  /** @type {Map<string, number>} by chat; bounded by the chats there are */
  #pending = new Map();
  /** @type {any} */
  #timer;
  #connection;

  /** @param {import('./connection.js').Connection} connection */
  constructor(connection) {
    this.#connection = connection;
  }

  /** @param {string} chat @param {number} seq */
  add(chat, seq) {
    this.#pending.set(chat, Math.max(seq, this.#pending.get(chat) ?? 0));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), GATHER_MS);
  }

  flush() {
    clearTimeout(this.#timer);
    if (this.#connection.state.name !== 'online') return;
    for (const [chat, seq] of [...this.#pending]) void this.#tell(chat, seq);
  }

  /** @param {string} chat @param {number} seq */
  async #tell(chat, seq) {
    try {
      await this.#connection.request('read', { chat, seq });
    } catch (error) {
      if (!(error instanceof Refused) || error.retry !== 'never') return;
    }
    if (this.#pending.get(chat) === seq) this.#pending.delete(chat);
  }
}
