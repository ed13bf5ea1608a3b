// @ts-check
/**
 * The gap rule: keeps one chat whole, or knows that it is not.
 *
 * It protects against a hole that nobody notices. Events may be lost on the way to a gateway, come twice, or come while
 * the answer to an own send is still on its way; what this class gives out is in log order, each event once, and never
 * passes over an event that it has not seen:
 *
 * - `last` is moved by events and by `synced`, never by `sent`: an older event of somebody else may still be on its way.
 * - An event not newer than `last` is dropped. One whose `prev` is beyond `last` shows a hole, unless `prev` is an own
 *   send of this session (the session gets `sent` for it, no event). While answers to own sends are missing, such an
 *   event is held until they are known.
 * - While the chat is not whole (after `welcome`, or a hole), events are held until a complete `sync`. After it there is
 *   no hole in front of anything that had arrived before it was asked for, whatever `prev` says.
 *
 * It never does I/O, looks at no clock, and holds at most `HELD_EVENTS` events; when that is not enough it forgets them
 * and asks for one more sync, which brings them again.
 */

/** @typedef {import('./types.js').Entry} Entry */

/** Events held per chat; beyond it they are forgotten and synced. */
export const HELD_EVENTS = 100;

export class ChatSync {
  /** @type {number | null} newest `seq` up to which everything was given out; null until a summary or event sets it */
  last = null;
  /** Whether nothing is known to be missing after `last`. */
  whole = true;
  /** @type {number | null} the `after` of the request under way; the owner sends it and calls `synced` or `syncFailed` */
  asking = null;
  /** @type {Set<number>} what `sent` gave this session, beyond `last` */
  #mine = new Set();
  /** Own sends whose answer is missing. */
  #inFlight = 0;
  /** @type {{entry: Entry, request: number}[]} in order of arrival, with the count of requests made by then */
  #held = [];
  /** Counts requests, so that it is known which held events a complete answer covers. */
  #requests = 0;
  /** Held events were forgotten, so the answer under way is not enough. */
  #again = false;
  /** Only a complete sync will do (own sends are to be settled by it): a summary that shows nothing new does not. */
  #required = false;

  /**
   * A chat that is to be settled from an earlier place than its summary says (own sends kept from before a reload).
   * @param {number} seq
   */
  startAt(seq) {
    if (this.last === null || seq < this.last) this.last = seq;
    this.whole = false;
  }

  /** The connection is gone: what was held or under way is lost and comes again by sync. */
  disconnected() {
    if (this.#held.length > 0 || this.asking !== null) this.whole = false;
    this.#held = [];
    this.#mine.clear();
    this.#inFlight = 0;
    this.#again = false;
    this.asking = null;
  }

  /** `resumed:false`: what was kept from before may miss anything. */
  notResumed() {
    if (this.last !== null) this.whole = false;
  }

  /**
   * A summary of a `welcome`, a list page or a `chat` frame.
   * @param {number} newestSeq of the newest event of any kind
   * @param {{welcome: boolean}} options only what `welcome` says is missing is missing: elsewhere the event may be on its way
   */
  summary(newestSeq, { welcome }) {
    if (this.last === null) this.last = newestSeq;
    else if (newestSeq === this.last) this.#nothingMissing();
    else if (welcome && newestSeq > this.last) this.whole = false;
  }

  #nothingMissing() {
    if (this.asking === null && this.#held.length === 0 && !this.#required) this.whole = true;
  }

  /** The chat must be asked for: `resync`, `sync_required`, or an own send whose outcome is not known. */
  requireSync() {
    if (this.asking !== null) this.#again = true;
    this.#required = true;
    this.whole = false;
  }

  /**
   * @param {Entry} entry
   * @returns {Entry[]} what may be shown now, in order
   */
  event(entry) {
    if (this.last === null) {
      this.last = entry.seq;
      return [entry];
    }
    if (entry.seq <= this.last) return [];
    this.#hold(entry);
    return this.#release();
  }

  /** @param {Entry} entry */
  #hold(entry) {
    if (this.#held.length >= HELD_EVENTS) {
      this.#held = [];
      this.requireSync();
      return;
    }
    this.#held.push({ entry, request: this.#requests });
  }

  /** An own send goes out. */
  sendStarted() {
    this.#inFlight += 1;
  }

  /**
   * The answer to an own send came, or will not come.
   * @param {number | null} seq what `sent` gave
   * @returns {Entry[]} what had waited for it
   */
  sendEnded(seq) {
    this.#inFlight = Math.max(0, this.#inFlight - 1);
    if (seq !== null && (this.last === null || seq > this.last)) this.#mine.add(seq);
    return this.#release();
  }

  /** @returns {boolean} whether the owner should ask now */
  get wantsSync() {
    return !this.whole && this.asking === null;
  }

  /** @returns {number} the `after` to ask with */
  syncStarted() {
    this.#requests += 1;
    this.asking = this.last ?? 0;
    return this.asking;
  }

  /**
   * @param {Entry[]} items the run right after `asking`
   * @param {boolean} limited more follow
   * @returns {Entry[]} what is new, in order, with the held events that follow it
   */
  synced(items, limited) {
    const fresh = items.filter((entry) => entry.seq > (this.last ?? 0));
    for (const entry of fresh) this.#advance(entry.seq);
    this.asking = null;
    if (limited) return fresh;
    if (this.#again) {
      this.#again = false;
      return fresh;
    }
    this.#required = false;
    this.whole = true;
    return [...fresh, ...this.#release(this.#requests)];
  }

  /** The request was refused or not answered; the owner asks again later. */
  syncFailed() {
    this.asking = null;
  }

  /** The chat cannot be read any more: nothing is missing from what this user may see. */
  giveUp() {
    this.asking = null;
    this.#held = [];
    this.#required = false;
    this.whole = true;
  }

  /**
   * Gives out held events as far as the rule allows.
   * @param {number} [covered] events that arrived before this request was made have nothing missing in front of them
   * @returns {Entry[]}
   */
  #release(covered = 0) {
    /** @type {Entry[]} */
    const out = [];
    while (this.whole && this.#held.length > 0) {
      const { entry, request } = this.#held[0];
      if (entry.seq > (this.last ?? 0)) {
        const verdict = request < covered ? 'next' : this.#judge(entry);
        if (verdict === 'wait') break;
        if (verdict === 'hole') {
          this.whole = false;
          break;
        }
        this.#advance(entry.seq);
        out.push(entry);
      }
      this.#held.shift();
    }
    return out;
  }

  /**
   * @param {Entry} entry newer than `last`
   * @returns {'next' | 'wait' | 'hole'}
   */
  #judge(entry) {
    const prev = entry.prev ?? 0;
    if (prev <= (this.last ?? 0) || this.#mine.has(prev)) return 'next';
    return this.#inFlight > 0 ? 'wait' : 'hole';
  }

  /** @param {number} seq */
  #advance(seq) {
    this.last = seq;
    for (const own of this.#mine) if (own <= seq) this.#mine.delete(own);
  }
}
