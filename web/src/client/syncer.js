// @ts-check
/**
 * Asks `sync` for chats that are not whole, `AT_ONCE` at a time, page after page until complete. A failed one is asked
 * again after a back-off while the connection holds; a new connection starts everything anew.
 */
import { fullJitter } from './backoff.js';
import { Refused } from './codes.js';

/** @typedef {import('./chat.js').Chat} Chat */
/** @typedef {import('./types.js').Entry} Entry */

const AT_ONCE = 4;

export class Syncer {
  /** @type {Set<Chat>} waiting for their turn; bounded by the chats there are */
  #queue = new Set();
  #running = 0;
  /** @type {Map<Chat, number>} failures in a row */
  #failures = new Map();
  /** @type {Set<any>} back-offs under way; cleared with the connection */
  #timers = new Set();
  #connection;
  #deliver;
  #complete;

  /**
   * @param {import('./connection.js').Connection} connection
   * @param {{deliver: (chat: Chat, entries: Entry[]) => void, complete: (chat: Chat) => void}} owner
   */
  constructor(connection, { deliver, complete }) {
    this.#connection = connection;
    this.#deliver = deliver;
    this.#complete = complete;
  }

  /** @param {Chat} chat */
  want(chat) {
    if (!chat.sync.wantsSync) return;
    this.#queue.add(chat);
    this.#next();
  }

  disconnected() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#queue.clear();
    this.#failures.clear();
    this.#running = 0;
  }

  #next() {
    while (this.#running < AT_ONCE && this.#connection.state.name === 'online') {
      const [chat] = this.#queue;
      if (chat === undefined) return;
      this.#queue.delete(chat);
      if (chat.sync.wantsSync) this.#ask(chat);
    }
  }

  /** @param {Chat} chat */
  #ask(chat) {
    const after = chat.sync.syncStarted();
    this.#running += 1;
    this.#connection.ask('sync', { chat: chat.id, after }, {
      answered: (frame) => {
        this.#running -= 1;
        this.#answered(chat, frame);
        this.#next();
      },
      failed: (error) => {
        if (this.#connection.state.name !== 'online') return;
        this.#running -= 1;
        this.#failed(chat, error);
        this.#next();
      },
    });
  }

  /** @param {Chat} chat @param {any} frame */
  #answered(chat, frame) {
    if (frame.limited && frame.items.length === 0) {
      this.#failed(chat, new Error('an empty page that says more follow'));
      return;
    }
    this.#failures.delete(chat);
    this.#deliver(chat, chat.sync.synced(frame.items, frame.limited));
    if (chat.sync.whole) this.#complete(chat);
    this.want(chat);
  }

  /** @param {Chat} chat @param {Error} error */
  #failed(chat, error) {
    if (error instanceof Refused && error.retry === 'never') {
      chat.sync.giveUp();
      this.#complete(chat);
      return;
    }
    chat.sync.syncFailed();
    const failures = this.#failures.get(chat) ?? 0;
    this.#failures.set(chat, failures + 1);
    const asked = error instanceof Refused ? error.retryAfterMs : null;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.want(chat);
    }, asked ?? fullJitter(failures));
    this.#timers.add(timer);
  }
}
