// @ts-check
/**
 * The unread count between two summaries: the server's number, exact as of its `newest.seq`, and what came after it.
 */

/** Messages counted here between two summaries; a badge does not tell more. */
const COUNTED = 1_000;

export class Unread {
  #base = 0;
  #baseSeq = 0;
  #readSeq = 0;
  /** @type {number[]} messages of others after `#baseSeq` */
  #later = [];

  /** @param {{unread: number, read_seq: number, newest: {seq: number} | null}} summary */
  summary({ unread, read_seq: readSeq, newest }) {
    const seq = newest?.seq ?? 0;
    if (seq >= this.#baseSeq) {
      this.#base = this.#readSeq >= seq ? 0 : unread;
      this.#baseSeq = seq;
      this.#later = this.#later.filter((later) => later > seq);
    }
    this.read(readSeq);
  }

  /** @param {number} seq of a message @param {boolean} own a send is a read */
  message(seq, own) {
    if (own) this.read(seq);
    else if (seq > this.#baseSeq && !this.#later.includes(seq) && this.#later.length < COUNTED) this.#later.push(seq);
  }

  /** @param {number} seq */
  read(seq) {
    if (seq <= this.#readSeq) return;
    this.#readSeq = seq;
    if (seq >= this.#baseSeq) this.#base = 0;
    this.#later = this.#later.filter((later) => later > seq);
  }

  get readSeq() {
    return this.#readSeq;
  }

  get count() {
    return this.#base + this.#later.length;
  }
}
