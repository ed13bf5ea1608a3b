// @ts-check
/**
 * One chat as this session knows it: its line in the list, its count, its gap rule, and, once opened, its timeline.
 * The summary is the server's until events newer than it arrive; then it is folded on with them.
 */
import { ChatSync } from './sync.js';
import { Timeline } from './timeline.js';
import { Unread } from './unread.js';

/** @typedef {import('./types.js').Summary} Summary */
/** @typedef {import('./types.js').Entry} Entry */

const PREVIEW_CHARS = 140;

export class Chat {
  /** @type {Timeline | null} null until opened, and again when let go */
  timeline = null;
  sync = new ChatSync();
  unread = new Unread();
  /** A complete sync in this session: live events come without waiting for a pointer. */
  attached = false;
  /** Place in the list: the time of the newest message, or of the neighbour when there is none. */
  activity = '';
  /** `seq` of the newest change of members, roles or title that was seen here. */
  changedSeq = 0;

  /** @param {Summary} summary */
  constructor(summary) {
    this.id = summary.id;
    /** @type {Summary} */
    this.summary = summary;
    this.#take(summary);
  }

  /** @param {Summary} summary */
  #take(summary) {
    this.unread.summary(summary);
    this.activity = summary.newest?.at ?? this.activity;
  }

  get newestSeq() {
    return this.summary.newest?.seq ?? 0;
  }

  /** Whether this user may not write here any more. */
  get closed() {
    return (this.summary.left_seq ?? null) !== null || this.summary.role === null;
  }

  /** @param {Summary} summary from the server; an older one than what is known only moves what events do not tell */
  merge(summary) {
    const seq = summary.newest?.seq ?? 0;
    if (seq >= this.newestSeq) this.summary = { ...this.summary, ...summary };
    else this.summary = { ...this.summary, read_seq: Math.max(summary.read_seq, this.summary.read_seq), muted_until: summary.muted_until };
    this.#take({ ...summary, read_seq: summary.read_seq ?? 0 });
  }

  /**
   * @param {Entry} entry
   * @param {string} me
   */
  apply(entry, me) {
    this.timeline?.insert([entry]);
    const { seq, event } = entry;
    if (event.kind === 'message') this.unread.message(seq, event.from === me);
    else this.changedSeq = Math.max(seq, this.changedSeq);
    if (seq > this.newestSeq) this.#fold(entry, me);
  }

  /** @param {Entry} entry @param {string} me */
  #fold({ seq, event }, me) {
    const summary = { ...this.summary, newest: { ...this.summary.newest, seq } };
    if (event.kind === 'message') {
      summary.newest = { seq, at: event.at, preview: preview(event.body?.text), from: event.from };
      this.activity = event.at;
    }
    if (event.kind === 'renamed') summary.title = event.body.title;
    if (event.kind === 'member_added') this.#added(summary, event.body, me);
    if (event.kind === 'member_removed' && event.body.user === me) summary.left_seq = seq;
    if (event.kind === 'member_left' && event.from === me) summary.left_seq = seq;
    if (event.kind === 'member_removed' || event.kind === 'member_left') summary.members -= 1;
    if (event.kind === 'role_changed' && event.body.user === me) summary.role = event.body.role;
    this.summary = summary;
  }

  /** @param {Summary} summary @param {any} body @param {string} me */
  #added(summary, body, me) {
    summary.members += 1;
    if (body.user !== me) return;
    summary.left_seq = null;
    summary.role = body.role ?? 'member';
  }

  /** Starts the gap rule anew at the summary: nothing of this chat is shown, so nothing can be missing from it. */
  restart() {
    this.sync = new ChatSync();
    this.sync.summary(this.newestSeq, { welcome: true });
  }

  open() {
    this.timeline ??= new Timeline();
    return this.timeline;
  }
}

/** @param {any} text */
function preview(text) {
  return typeof text === 'string' ? text.slice(0, PREVIEW_CHARS) : '';
}
