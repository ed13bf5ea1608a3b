// @ts-check
/**
 * The scrolling part of a conversation. It keeps the reader's place: at the end it follows new messages; anywhere else the
 * line at the top stays where it is while older pages come in above, or new messages below. What is at the end, in a
 * visible and focused window, counts as read.
 */
import { rowElement, signature } from './bubble.js';
import { coalesce, h, icon, keep } from './dom.js';
import { rowsOf } from './rows.js';
import { counted } from './texts.js';

/** @typedef {import('../client/client.js').Client} Client */
/** @typedef {import('../client/chat.js').Chat} Chat */

/** Nearer to the end than this is at the end. */
const END_PX = 48;
/** Nearer to the start than this, the next older page is read. */
const AHEAD_PX = 600;

export class Thread {
  /** @type {Map<string, {signature: string, element: HTMLElement}>} what is on show, by key of the row */
  #shown = new Map();
  #following = true;
  #placed = false;
  /** @type {number | null} read position when the reader came (or looked away): what is newer is marked */
  #newAfter = null;
  /** @type {number} newest `seq` when the reader left the end */
  #seenTo = 0;
  /** @type {(() => void)[]} */
  #undo = [];

  /** @param {Client} client @param {Chat} chat */
  constructor(client, chat) {
    this.client = client;
    this.chat = chat;
    if (chat.unread.count > 0) this.#newAfter = chat.unread.readSeq;
    this.list = h('ol', { class: 'messages', 'aria-label': 'Messages' });
    this.top = h('div', { class: 'thread-top', role: 'status' });
    this.scroller = h('div', { class: 'thread', tabIndex: 0, role: 'region', 'aria-label': 'Conversation', on: { scroll: () => this.#scrolled() } }, this.top, this.list);
    this.jump = h('button', { type: 'button', class: 'jump', hidden: true, on: { click: () => this.toEnd() } }, h('span', { class: 'jump-count' }), icon('down'));
    this.element = h('div', { class: 'thread-frame' }, this.scroller, this.jump);
    this.update = coalesce(() => this.#update());
    const looked = () => this.#looked();
    const sizes = new ResizeObserver(() => this.#following && this.#scrollToEnd());
    sizes.observe(this.scroller);
    for (const name of ['focus', 'blur']) window.addEventListener(name, looked);
    document.addEventListener('visibilitychange', looked);
    this.#undo = [
      () => sizes.disconnect(),
      () => ['focus', 'blur'].forEach((name) => window.removeEventListener(name, looked)),
      () => document.removeEventListener('visibilitychange', looked),
    ];
  }

  close() {
    for (const undo of this.#undo) undo();
  }

  toEnd() {
    this.#following = true;
    this.update();
  }

  /** The reader wrote something: the mark has done its work. */
  wrote() {
    this.#newAfter = null;
    this.toEnd();
  }

  get #rows() {
    const { timeline } = this.chat;
    const entries = timeline?.entries ?? [];
    const atStart = timeline?.loaded === true && !timeline.older;
    return rowsOf({ entries: timeline?.loaded ? entries : [], unsent: this.client.outbox.ofChat(this.chat.id), me: this.client.me.id, newAfter: this.#newAfter, atStart });
  }

  #update() {
    if (!this.element.isConnected) return;
    if (!watching() && this.#newAfter === null && this.chat.unread.count > 0) this.#newAfter = this.chat.unread.readSeq;
    if (this.#following) this.chat.timeline?.trim();
    const anchor = this.#following ? null : this.#anchor();
    this.#render();
    if (!this.#placed && this.chat.timeline?.loaded) this.#place();
    else if (this.#following) this.#scrollToEnd();
    else if (anchor !== null) this.scroller.scrollTop += anchor.element.getBoundingClientRect().top - anchor.top;
    this.#looked();
    this.#loadAhead();
  }

  #render() {
    const context = {
      client: this.client,
      group: this.chat.summary.kind === 'group',
      now: new Date(),
      retry: (/** @type {string} */ id) => this.client.sendAgain(id),
      discard: (/** @type {string} */ id) => this.client.discard(id),
    };
    const shown = new Map();
    for (const row of this.#rows) {
      const sign = signature(row, context);
      const before = this.#shown.get(row.key);
      shown.set(row.key, before?.signature === sign ? before : { signature: sign, element: rowElement(row, context) });
    }
    this.#shown = shown;
    keep(this.list, [...shown.values()].map(({ element }) => element));
    this.#renderTop();
  }

  #renderTop() {
    const { timeline } = this.chat;
    const text = timeline === null || (timeline.failed && !timeline.loaded) ? 'Messages cannot be loaded yet…'
      : timeline.stale ? 'The newest messages may be missing: the server cannot read its log.'
      : !timeline.loaded ? 'Loading…' : timeline.older ? 'Loading older messages…' : '';
    this.top.textContent = text;
    this.top.hidden = text === '';
  }

  /** The first time: at what is new, else at the end. */
  #place() {
    this.#placed = true;
    const mark = this.#shown.get('new')?.element;
    this.#scrollToEnd();
    if (mark === undefined) return;
    const above = mark.offsetTop - this.scroller.clientHeight / 3;
    if (above < this.scroller.scrollTop) this.scroller.scrollTop = above;
    this.#following = this.#atEnd;
    this.#seenTo = this.chat.timeline?.newest ?? 0;
  }

  /** The line at the top of the view. */
  #anchor() {
    const { top } = this.scroller.getBoundingClientRect();
    for (const { element } of this.#shown.values()) {
      const box = element.getBoundingClientRect();
      if (box.bottom > top && !element.className.startsWith('mark-')) return { element, top: box.top };
    }
    return null;
  }

  get #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < END_PX;
  }

  #scrollToEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  #scrolled() {
    const following = this.#atEnd;
    if (this.#following && !following) this.#seenTo = this.chat.timeline?.newest ?? 0;
    this.#following = following;
    this.#looked();
    this.#loadAhead();
  }

  /** What the reader sees now: at the end and watching, everything is read. */
  #looked() {
    if (this.#following && this.#placed && watching()) this.client.read(this.chat.id);
    const unseen = this.#following ? 0 : this.#unseen;
    this.jump.hidden = this.#following;
    this.jump.setAttribute('aria-label', unseen > 0 ? `Go to the newest messages, ${counted(unseen, 'new one')}` : 'Go to the newest messages');
    /** @type {HTMLElement} */ (this.jump.firstElementChild).textContent = unseen > 0 ? String(unseen) : '';
  }

  get #unseen() {
    const entries = this.chat.timeline?.entries ?? [];
    return entries.filter(({ seq, event }) => seq > this.#seenTo && event.kind === 'message' && event.from !== this.client.me.id).length;
  }

  #loadAhead() {
    const { timeline } = this.chat;
    if (timeline === null || !timeline.loaded || !timeline.older || timeline.loading !== null || timeline.failed) return;
    if (this.scroller.scrollTop < AHEAD_PX) void this.client.loadOlder(this.chat.id);
  }
}

/** Whether somebody looks at this window. */
export const watching = () => document.visibilityState === 'visible' && document.hasFocus();
