// @ts-check
/**
 * Reads pages of history into opened chats: the newest one once the chat is whole, older ones by wish. One at a time per chat.
 * A page that was read while the log could not be (`stale`) is read again later.
 */

/** @typedef {import('./chat.js').Chat} Chat */
/** @typedef {import('./timeline.js').Timeline} Timeline */

const PAGE_ENTRIES = 50;
/** A page that failed, or may not be whole, is read again after this. */
const AGAIN_MS = 4_000;

export class Pages {
  #connection;
  #changed;

  /**
   * @param {import('./connection.js').Connection} connection
   * @param {(chat: string) => void} changed
   */
  constructor(connection, changed) {
    this.#connection = connection;
    this.#changed = changed;
  }

  /** @param {Chat} chat */
  async newest(chat) {
    const { timeline } = chat;
    if (timeline === null || (timeline.loaded && !timeline.stale)) return;
    await this.#once(chat, timeline, async () => {
      const page = await this.#connection.request('history', { chat: chat.id, limit: PAGE_ENTRIES });
      const known = timeline.first;
      timeline.insert(page.items);
      const reachesBack = known === undefined || (page.items.length > 0 && page.items[0].seq <= known);
      if (reachesBack) timeline.older = page.older !== null;
      timeline.loaded = true;
      timeline.stale = page.stale === true;
    });
    if (timeline.stale || !timeline.loaded) this.#againLater(chat);
  }

  /** A lost connection needs no timer: the next welcome reads again. @param {Chat} chat */
  #againLater(chat) {
    setTimeout(() => {
      if (this.#connection.state.name === 'online') void this.newest(chat);
    }, AGAIN_MS);
  }

  /** @param {Chat} chat */
  async older(chat) {
    const { timeline } = chat;
    if (timeline === null || !timeline.loaded || !timeline.older) return;
    await this.#once(chat, timeline, async () => {
      const page = await this.#connection.request('history', { chat: chat.id, before: timeline.first, limit: PAGE_ENTRIES });
      timeline.prepend(page.items, page.older !== null);
    });
  }

  /**
   * @param {Chat} chat
   * @param {Timeline} timeline
   * @param {() => Promise<void>} read
   */
  async #once(chat, timeline, read) {
    if (timeline.loading !== null) return timeline.loading;
    timeline.loading = read()
      .then(
        () => void (timeline.failed = false),
        () => void (timeline.failed = true),
      )
      .finally(() => {
        timeline.loading = null;
        this.#changed(chat.id);
      });
    return timeline.loading;
  }
}
