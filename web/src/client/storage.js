// @ts-check
/**
 * Where the client keeps what must outlive a reload. A full or forbidden storage never stops the chat: what cannot be
 * kept is kept in memory, and `onFull` says so.
 */

/** @typedef {{getItem(key: string): string | null, setItem(key: string, value: string): void, removeItem(key: string): void}} RawStorage */

export class Storage {
  /** @type {Map<string, string>} what the real storage refused; ends with the page */
  #memory = new Map();
  #raw;
  #onFull;

  /**
   * @param {RawStorage | null} raw `localStorage`, `sessionStorage`, or null for memory only
   * @param {() => void} [onFull]
   */
  constructor(raw, onFull = () => {}) {
    this.#raw = raw;
    this.#onFull = onFull;
  }

  /** @param {string} key @returns {any} undefined when absent or damaged */
  read(key) {
    try {
      const text = this.#memory.get(key) ?? this.#raw?.getItem(key);
      return text === null || text === undefined ? undefined : JSON.parse(text);
    } catch {
      return undefined;
    }
  }

  /** @param {string} key @param {any} value */
  write(key, value) {
    const text = JSON.stringify(value);
    try {
      if (this.#raw === null) throw new Error('no storage');
      this.#raw.setItem(key, text);
      this.#memory.delete(key);
    } catch {
      this.#memory.set(key, text);
      if (this.#raw !== null) this.#onFull();
    }
  }

  /** @param {string} key */
  remove(key) {
    this.#memory.delete(key);
    try {
      this.#raw?.removeItem(key);
    } catch {
      // A storage that forbids removal has kept nothing of ours.
    }
  }

  /** @param {string} prefix @returns {string[]} keys of the real storage, without those in memory */
  keys(prefix) {
    try {
      return this.#raw === null ? [...this.#memory.keys()] : Object.keys(this.#raw).filter((key) => key.startsWith(prefix));
    } catch {
      return [];
    }
  }
}
