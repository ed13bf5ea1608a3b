// @ts-check
/**
 * Own messages that the log has not confirmed, in the order in which they were written, kept across reloads.
 *
 * It protects against a message that is lost (it stays until `sent`, or its own event, or the writer's own wish takes
 * it away) and one that is stored twice: `unknown` is set and kept *before* a message goes out, and is taken back only by an
 * answer that says it was not stored. What is unknown may only go out again marked as a retry, with `after_seq`.
 * At most `OUTBOX_ITEMS` wait; then `add` refuses, and the writer sees it at once.
 */

/** @typedef {import('./types.js').OutboxItem} OutboxItem */

export const OUTBOX_ITEMS = 500;

export class OutboxFull extends Error {}

export class Outbox {
  /** @type {OutboxItem[]} oldest first, all chats */
  #items;
  #storage;
  #key;

  /**
   * @param {import('./storage.js').Storage} storage
   * @param {string} key of this device's items
   */
  constructor(storage, key) {
    this.#storage = storage;
    this.#key = key;
    const kept = storage.read(key);
    this.#items = Array.isArray(kept) ? kept.filter(isItem) : [];
    for (const item of this.#items) if (item.state === 'inflight') item.state = 'queued';
  }

  /** @param {OutboxItem} item */
  add(item) {
    if (this.#items.length >= OUTBOX_ITEMS) throw new OutboxFull('too many unsent messages');
    this.#items.push(item);
    this.save();
  }

  /** After a change to an item. Kept before the network sees it. */
  save() {
    if (this.#items.length === 0) this.#storage.remove(this.#key);
    else this.#storage.write(this.#key, this.#items);
  }

  /** @param {string} chat @returns {OutboxItem[]} oldest first */
  ofChat(chat) {
    return this.#items.filter((item) => item.chat === chat);
  }

  /** @param {string} clientId */
  get(clientId) {
    return this.#items.find((item) => item.client_id === clientId);
  }

  /** @param {string} clientId @returns {OutboxItem | undefined} the item that left */
  remove(clientId) {
    const at = this.#items.findIndex((item) => item.client_id === clientId);
    if (at < 0) return undefined;
    const [item] = this.#items.splice(at, 1);
    this.save();
    return item;
  }

  /** @param {string} clientId moves an item behind all others, for a second try of a refused one */
  moveLast(clientId) {
    const at = this.#items.findIndex((item) => item.client_id === clientId);
    if (at >= 0) this.#items.push(...this.#items.splice(at, 1));
    this.save();
  }

  /**
   * A complete sync showed everything up to `last`, and none of these was in it.
   * @param {string} chat
   * @param {number} last
   */
  provenAbsent(chat, last) {
    const moved = this.ofChat(chat).filter((item) => item.after_seq !== null && item.after_seq < last);
    for (const item of moved) item.after_seq = last;
    if (moved.length > 0) this.save();
  }

  /** The connection is gone: nobody will answer for these. */
  disconnected() {
    for (const item of this.#items) if (item.state === 'inflight') item.state = 'queued';
    this.save();
  }

  /** @returns {Set<string>} */
  chats() {
    return new Set(this.#items.map((item) => item.chat));
  }

  get size() {
    return this.#items.length;
  }

  clear() {
    this.#items = [];
    this.save();
  }
}

/** @param {any} item @returns {item is OutboxItem} */
function isItem(item) {
  return typeof item?.client_id === 'string' && typeof item.chat === 'string' && typeof item.body?.text === 'string' && typeof item.unknown === 'boolean';
}
