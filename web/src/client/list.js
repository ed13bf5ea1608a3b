// @ts-check
/**
 * The list of chats: what `welcome`, its further pages and `chat` frames say, and where new lines belong.
 * A list that was read while the log could not be (`stale`) may lack what is newest; it says so, and is read again until it is whole.
 */
import { Chat } from './chat.js';

/** @typedef {import('./types.js').Summary} Summary */
/** @typedef {{chats: Summary[], more: string | null, stale?: boolean}} ListPage */

const PAGE_CHATS = 50;
const STALE_AGAIN_MS = 4_000;

export class ChatList {
  /** @type {Map<string, Chat>} by id; grows with the pages the user scrolls to */
  chats = new Map();
  /** @type {string | null} where the list goes on; null at its end */
  more = null;
  /** Newer acked messages may be missing: the server could not read its log. */
  stale = false;
  /** @type {any} the next try while stale; cleared with the connection */
  #again;
  #connection;
  #parts;

  /**
   * @param {import('./connection.js').Connection} connection
   * @param {{hasUnsent: (chat: string) => boolean, changed: () => void}} parts
   */
  constructor(connection, parts) {
    this.#connection = connection;
    this.#parts = parts;
  }

  disconnected() {
    clearTimeout(this.#again);
  }

  /** @param {ListPage & {resumed: boolean}} welcome */
  welcomed(welcome) {
    if (!welcome.resumed) {
      for (const chat of this.chats.values()) chat.sync.notResumed();
      this.more = welcome.more ?? null;
    }
    this.#take(welcome, { welcome: true });
  }

  async loadMore() {
    const cursor = this.more;
    if (cursor === null) return;
    const page = await this.#connection.request('chats', { cursor, limit: PAGE_CHATS });
    this.more = page.more ?? null;
    this.#take(page, { welcome: false });
  }

  /** @param {ListPage} page newest first @param {{welcome: boolean}} where */
  #take(page, where) {
    let above = new Date().toISOString();
    for (const summary of page.chats) {
      const chat = this.put(summary, where);
      if (chat.activity === '') chat.activity = above;
      above = chat.activity;
    }
    this.stale = page.stale === true;
    clearTimeout(this.#again);
    if (this.stale) this.#again = setTimeout(() => void this.#readAgain(), STALE_AGAIN_MS);
    this.#parts.changed();
  }

  async #readAgain() {
    const page = await this.#connection.request('chats', { limit: PAGE_CHATS }).catch(() => ({ chats: [], more: null, stale: true }));
    if (this.#connection.state.name === 'online') this.#take(page, { welcome: true });
  }

  /** @param {Summary} summary @param {{welcome: boolean}} where @returns {Chat} */
  put(summary, where) {
    let chat = this.chats.get(summary.id);
    if (chat === undefined) {
      chat = new Chat(summary);
      this.chats.set(summary.id, chat);
    } else chat.merge(summary);
    const shown = chat.timeline !== null || this.#parts.hasUnsent(chat.id);
    if (where.welcome && !shown) chat.restart();
    else chat.sync.summary(summary.newest?.seq ?? 0, where);
    return chat;
  }

  /** @returns {Chat[]} newest first */
  sorted() {
    return [...this.chats.values()].sort((a, b) => (a.activity < b.activity ? 1 : a.activity > b.activity ? -1 : b.newestSeq - a.newestSeq));
  }

  get unreadChats() {
    return [...this.chats.values()].filter((chat) => chat.unread.count > 0).length;
  }
}
