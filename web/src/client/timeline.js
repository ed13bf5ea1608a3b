// @ts-check
/**
 * The part of a chat that is in memory: one run of its log without a hole, each entry once, oldest first. Older pages
 * are added at the front by the reader's wish; what is beyond `KEPT_ENTRIES` at the front is let go by `trim` (it can be
 * loaded again).
 */

/** @typedef {import('./types.js').Entry} Entry */

export const KEPT_ENTRIES = 1_000;

export class Timeline {
  /** @type {Entry[]} */
  entries = [];
  /** The newest page has been read; before that the front is not known. */
  loaded = false;
  /** More before the first entry. */
  older = true;
  /** The log could not be read: newer messages may be missing. */
  stale = false;
  /** The last page asked for could not be had. */
  failed = false;
  /** @type {Promise<void> | null} the page under way */
  loading = null;

  /** @param {Entry[]} entries in any order, known ones too */
  insert(entries) {
    for (const entry of entries) {
      let at = this.entries.length;
      while (at > 0 && this.entries[at - 1].seq > entry.seq) at -= 1;
      if (at > 0 && this.entries[at - 1].seq === entry.seq) continue;
      this.entries.splice(at, 0, entry);
    }
  }

  /** @param {Entry[]} entries a page just before the first entry @param {boolean} older more before them */
  prepend(entries, older) {
    const first = this.first ?? Infinity;
    this.entries = [...entries.filter((entry) => entry.seq < first), ...this.entries];
    this.older = older;
  }

  /** @returns {number | undefined} */
  get first() {
    return this.entries[0]?.seq;
  }

  /** @returns {number | undefined} */
  get newest() {
    return this.entries.at(-1)?.seq;
  }

  /** Lets the oldest go. Only while the reader is at the end. */
  trim() {
    if (this.entries.length <= KEPT_ENTRIES) return;
    this.entries = this.entries.slice(-KEPT_ENTRIES);
    this.older = true;
  }
}
