// @ts-check
/** The left side: who one is, finding, and the list of chats. Lines keep their elements, so focus stays while the order changes. */
import { avatar } from './avatar.js';
import { h, icon, keep } from './dom.js';
import { full, relative } from './format.js';
import { chatTitle, counted, userName } from './texts.js';

/** @typedef {import('../client/client.js').Client} Client */
/** @typedef {import('../client/chat.js').Chat} Chat */

/** Nearer to the end of the list than this, more chats are read. */
const AHEAD_PX = 300;
const BADGE_MAX = 99;

export class Sidebar {
  /** @type {Map<string, {sign: string, element: HTMLElement}>} by chat */
  #lines = new Map();
  #loadingMore = false;

  /** @param {{client: Client, current: () => string | null, newChat: (handle?: string) => void, signOut: () => void, leave: () => void}} parts `leave`: Escape in the search */
  constructor(parts) {
    this.parts = parts;
    const { client, newChat, signOut } = parts;
    this.search = h('input', {
      type: 'search', class: 'search', 'aria-label': 'Find a chat', placeholder: 'Find a chat', autocomplete: 'off', spellcheck: 'false',
      on: { input: () => this.update(), keydown: (/** @type {KeyboardEvent} */ event) => this.#searchKey(event) },
    });
    this.list = h('ul', { class: 'chat-list', 'aria-label': 'Chats', on: { keydown: (/** @type {KeyboardEvent} */ event) => this.#listKey(event) } });
    this.empty = h('div', { class: 'list-empty' });
    this.scroller = h('div', { class: 'list-scroller', on: { scroll: () => this.#loadAhead() } }, this.list, this.empty);
    this.element = h('nav', { class: 'sidebar', 'aria-label': 'Chats' },
      h('header', { class: 'sidebar-head' },
        avatar(client.me.id, client.me.name),
        h('div', { class: 'who' }, h('h1', {}, client.me.name), client.me.handle ? h('p', {}, `@${client.me.handle}`) : null),
        h('button', { type: 'button', class: 'icon-button', 'aria-label': 'Sign out', title: 'Sign out', on: { click: signOut } }, icon('leave')),
        h('button', { type: 'button', class: 'icon-button primary', 'aria-label': 'New chat', title: 'New chat', on: { click: () => newChat() } }, icon('plus'))),
      h('div', { class: 'search-frame' }, icon('search'), this.search, h('kbd', { 'aria-hidden': 'true' }, 'Ctrl K')),
      this.scroller);
  }

  find() {
    this.search.focus();
    this.search.select();
  }

  /** After the list, names or the current chat changed, and from time to time for the times. */
  update() {
    const now = new Date();
    const wanted = this.parts.client.list.sorted().filter((chat) => this.#matches(chat));
    const lines = new Map(wanted.map((chat) => [chat.id, this.#line(chat, now)]));
    this.#lines = lines;
    keep(this.list, [...lines.values()].map(({ element }) => element));
    this.#renderEmpty(wanted.length);
    this.#loadAhead();
  }

  get #query() {
    return this.search.value.trim().toLowerCase();
  }

  /** @param {Chat} chat */
  #matches(chat) {
    const handle = this.parts.client.users.get(chat.summary.with)?.handle ?? '';
    return `${chatTitle(this.parts.client, chat)} @${handle}`.toLowerCase().includes(this.#query);
  }

  /** @param {Chat} chat @param {Date} now */
  #line(chat, now) {
    const { client, current } = this.parts;
    const time = chat.summary.newest?.at ?? null;
    const look = {
      title: chatTitle(client, chat), preview: this.#preview(chat), time: time === null ? '' : relative(time, now),
      unread: chat.unread.count, current: current() === chat.id, group: chat.summary.kind === 'group', seed: chat.summary.with ?? chat.id, at: time,
    };
    const sign = JSON.stringify(look);
    const before = this.#lines.get(chat.id);
    if (before?.sign === sign) return before;
    const element = before?.element ?? h('li', { 'data-chat': chat.id });
    const link = /** @type {HTMLElement | null} */ (element.querySelector('a')) ?? h('a', { href: `#/c/${chat.id}`, class: 'chat-line' });
    if (link.parentNode === null) element.append(link);
    fill(link, look);
    return { sign, element };
  }

  /** @param {Chat} chat */
  #preview(chat) {
    const { client } = this.parts;
    const unsent = client.outbox.ofChat(chat.id).at(-1);
    if (unsent?.state === 'failed') return 'Not sent';
    if (unsent !== undefined) return `You: ${unsent.body.text}`;
    const { preview, from } = chat.summary.newest ?? {};
    if (!preview) return chat.summary.kind === 'group' ? counted(chat.summary.members, 'member') : 'Say hello';
    if (from === client.me.id) return `You: ${preview}`;
    return chat.summary.kind === 'group' ? `${userName(client, from)}: ${preview}` : preview;
  }

  /** @param {number} shown */
  #renderEmpty(shown) {
    const { newChat } = this.parts;
    const query = this.search.value.trim();
    const handle = query.replace(/^@/u, '');
    this.empty.hidden = shown > 0 || this.parts.client.connection.state.name === 'connecting';
    if (shown > 0) return;
    const text = query === '' ? 'No chats yet.' : `No chat matches “${query}”.`;
    const label = query === '' ? 'Start one' : `New chat with @${handle}`;
    this.empty.replaceChildren(h('p', {}, text), h('button', { type: 'button', class: 'button quiet', on: { click: () => newChat(handle) } }, label));
  }

  /** @param {KeyboardEvent} event */
  #searchKey(event) {
    const first = this.list.querySelector('a');
    if (event.key === 'Escape') {
      event.stopPropagation();
      this.search.value = '';
      this.update();
      this.parts.leave();
    } else if (event.key === 'ArrowDown') {
      event.preventDefault();
      first?.focus();
    } else if (event.key === 'Enter') {
      event.preventDefault();
      if (first === null) return /** @type {HTMLElement | null} */ (this.empty.querySelector('button'))?.click();
      this.search.value = '';
      first.click();
      this.update();
    }
  }

  /** @param {KeyboardEvent} event */
  #listKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const links = [...this.list.querySelectorAll('a')];
    const at = links.indexOf(/** @type {HTMLAnchorElement} */ (document.activeElement));
    if (at < 0 || (step === undefined && event.key !== 'Home' && event.key !== 'End')) return;
    event.preventDefault();
    const to = step !== undefined ? at + step : event.key === 'Home' ? 0 : links.length - 1;
    if (to < 0) this.search.focus();
    else links[Math.min(to, links.length - 1)].focus();
  }

  #loadAhead() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    if (this.#loadingMore || this.parts.client.list.more === null || scrollHeight - scrollTop - clientHeight > AHEAD_PX) return;
    this.#loadingMore = true;
    this.parts.client.list.loadMore().catch(() => {}).finally(() => {
      this.#loadingMore = false;
    });
  }
}

/** @param {HTMLElement} link @param {{title: string, preview: string, time: string, unread: number, current: boolean, group: boolean, seed: string, at: string | null}} look */
function fill(link, { title, preview, time, unread, current, group, seed, at }) {
  link.className = unread > 0 ? 'chat-line has-unread' : 'chat-line';
  if (current) link.setAttribute('aria-current', 'page');
  else link.removeAttribute('aria-current');
  const badge = unread > 0 && h('span', { class: 'badge', role: 'img', 'aria-label': `${unread} unread` }, unread > BADGE_MAX ? `${BADGE_MAX}+` : String(unread));
  const when = at !== null && h('time', { datetime: at, title: full(at) }, time);
  link.replaceChildren(
    avatar(seed, title, { group }),
    h('span', { class: 'line-main' },
      h('span', { class: 'line-top' }, h('span', { class: 'line-title' }, title), when),
      h('span', { class: 'line-bottom' }, h('span', { class: 'line-preview' }, preview), badge)));
}
