// @ts-check
/**
 * Takes messages from the outbox to the log, one chat at a time in the order in which they were written.
 *
 * It protects the order of one device's messages in one chat, and that none is stored twice. Up to `IN_FLIGHT` of a chat
 * are on their way at once. When one is refused, nothing more goes out; the rest is answered (`out_of_turn`, since the
 * server keeps order too), and then all that are open go again, oldest first: after a wait, a new token, or a sync, as
 * the first refusal said. A message with an unknown outcome goes again only after a complete sync of this connection,
 * which shows it if it was stored, and then as a marked retry. No answer in time ends the connection: what a silent one
 * did is learned by the sync of the next.
 */
import { fullJitter } from './backoff.js';
import { Refused, Unanswered } from './codes.js';

/** @typedef {import('./chat.js').Chat} Chat */
/** @typedef {import('./types.js').OutboxItem} OutboxItem */
/** @typedef {{inFlight: number, settled: boolean, waiting: boolean, refusal: Refused | null, failures: number}} Lane */

export const IN_FLIGHT = 8;
/** Longer than the server tries by itself after an election of its log. */
const SEND_TIMEOUT_MS = 30_000;

export class Sender {
  /** @type {Map<string, Lane>} by chat; of this connection only */
  #lanes = new Map();
  /** @type {Set<any>} back-offs under way; cleared with the connection */
  #timers = new Set();
  #parts;

  /**
   * @param {{connection: import('./connection.js').Connection, outbox: import('./outbox.js').Outbox, chat: (id: string) => Chat | undefined,
   *   sent: (chat: Chat, item: OutboxItem, answer: {seq: number, at: string}) => void, released: (chat: Chat, seq: number | null) => void,
   *   sync: (chat: Chat) => void, renewToken: () => Promise<unknown>, changed: (chat: string) => void}} parts
   *   `released`: the answer to one send is known, events may have waited for it; `sync`: ask for a complete one
   */
  constructor(parts) {
    this.#parts = parts;
  }

  disconnected() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#lanes.clear();
    this.#parts.outbox.disconnected();
  }

  /** A new connection: whatever may have been stored before is settled by a sync first. */
  connected() {
    for (const id of this.#parts.outbox.chats()) this.pump(id);
  }

  /** @param {Chat} chat a complete sync came; own events in it have left the outbox */
  synced(chat) {
    if (chat.sync.last !== null) this.#parts.outbox.provenAbsent(chat.id, chat.sync.last);
    const lane = this.#lane(chat.id);
    lane.settled = true;
    if (lane.refusal !== null && needsSync(lane.refusal)) lane.refusal = null;
    this.pump(chat.id);
  }

  /** @param {string} id */
  pump(id) {
    const chat = this.#parts.chat(id);
    if (chat === undefined || this.#parts.connection.state.name !== 'online') return;
    const lane = this.#lane(id);
    if (lane.waiting || lane.refusal !== null) return;
    // A complete sync ends `out_of_turn`: a send behind one on its way could pass a refused send not heard of yet.
    if (chat.sync.asking !== null) return;
    const open = this.#parts.outbox.ofChat(id).filter((item) => item.state !== 'failed');
    if (!lane.settled && open.some((item) => item.unknown && item.state === 'queued')) {
      this.#settleFirst(chat, open);
      return;
    }
    for (const item of open) {
      if (lane.inFlight >= IN_FLIGHT) return;
      if (item.state === 'queued') this.#transmit(chat, lane, item);
    }
  }

  /** @param {Chat} chat @param {OutboxItem[]} open */
  #settleFirst(chat, open) {
    const from = open.flatMap((item) => (item.unknown && item.after_seq !== null ? [item.after_seq] : []));
    if (chat.timeline === null && from.length > 0) chat.sync.startAt(Math.min(...from));
    this.#parts.sync(chat);
  }

  /** @param {Chat} chat @param {Lane} lane @param {OutboxItem} item */
  #transmit(chat, lane, item) {
    const { client_id, body, unknown } = item;
    item.after_seq ??= chat.sync.last ?? 0;
    item.unknown = true;
    item.state = 'inflight';
    this.#parts.outbox.save();
    lane.inFlight += 1;
    chat.sync.sendStarted();
    const retry = unknown ? { retry: true, after_seq: item.after_seq } : {};
    this.#parts.connection.ask('send', { chat: chat.id, client_id, body, ...retry }, {
      answered: (answer) => this.#answered(chat, lane, item, answer),
      failed: (error) => this.#failed(chat, lane, item, { error, unknown }),
    }, SEND_TIMEOUT_MS);
    this.#parts.changed(chat.id);
  }

  /** @param {Chat} chat @param {Lane} lane @param {OutboxItem} item @param {any} answer */
  #answered(chat, lane, item, answer) {
    lane.inFlight -= 1;
    lane.failures = 0;
    this.#parts.outbox.remove(item.client_id);
    this.#parts.sent(chat, item, answer);
    this.#parts.released(chat, answer.seq);
    this.#recover(chat, lane);
    this.pump(chat.id);
  }

  /** @param {Chat} chat @param {Lane} lane @param {OutboxItem} item @param {{error: Error, unknown: boolean}} what */
  #failed(chat, lane, item, { error, unknown }) {
    lane.inFlight -= 1;
    if (!(error instanceof Refused)) {
      item.state = 'queued';
      if (error instanceof Unanswered && error.silent) this.#parts.connection.reconnect();
      return;
    }
    item.unknown = unknown || error.code === 'outcome_unknown';
    if (error.retry === 'never') {
      item.state = 'failed';
      item.error = error.code;
    } else {
      item.state = 'queued';
      if (lane.refusal === null || outranks(error, lane.refusal)) lane.refusal = error;
    }
    this.#parts.outbox.save();
    this.#parts.changed(chat.id);
    this.#parts.released(chat, null);
    this.#recover(chat, lane);
    this.pump(chat.id);
  }

  /** Once nothing is in flight any more, does what the refusal asks for. @param {Chat} chat @param {Lane} lane */
  #recover(chat, lane) {
    const { refusal } = lane;
    if (refusal === null || lane.inFlight > 0 || lane.waiting) return;
    if (needsSync(refusal)) {
      lane.failures += 1;
      const wait = lane.failures > 1 ? fullJitter(lane.failures) : 0;
      this.#after(lane, refusal.retryAfterMs ?? wait, () => this.#parts.sync(chat));
      return;
    }
    const renewed = refusal.retry === 'refresh_token' ? this.#parts.renewToken().catch(() => {}) : null;
    const wait = refusal.retryAfterMs ?? (refusal.retry === 'now' ? 0 : fullJitter(lane.failures));
    lane.failures += 1;
    this.#after(lane, wait, async () => {
      await renewed;
      lane.refusal = null;
      this.pump(chat.id);
    });
  }

  /** @param {Lane} lane @param {number} ms @param {() => void} then */
  #after(lane, ms, then) {
    lane.waiting = true;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      lane.waiting = false;
      then();
    }, ms);
    this.#timers.add(timer);
  }

  /** @param {string} id @returns {Lane} */
  #lane(id) {
    let lane = this.#lanes.get(id);
    if (lane === undefined) {
      lane = { inFlight: 0, settled: false, waiting: false, refusal: null, failures: 0 };
      this.#lanes.set(id, lane);
    }
    return lane;
  }
}

/** @param {Refused} refusal */
const needsSync = (refusal) => refusal.retry === 'after_sync';

/** The first refusal decides; the `out_of_turn` of those behind it only when there was no other. @param {Refused} a @param {Refused} b */
const outranks = (a, b) => a.code !== 'out_of_turn' && (b.code === 'out_of_turn' || (needsSync(a) && !needsSync(b)));
