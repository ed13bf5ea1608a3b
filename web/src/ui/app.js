// @ts-check
/**
 * The page of a signed-in user: chats on the left, one chat on the right (on a phone one of the two), and what concerns
 * both: the address, keys, the banner, toasts and what is read out to those who do not see.
 */
import { Storage } from '../client/index.js';
import { Banner } from './banner.js';
import { Conversation } from './conversation.js';
import { coalesce, h } from './dom.js';
import { NewChat } from './newchat.js';
import { Sidebar } from './sidebar.js';
import { counted, explain, userName } from './texts.js';
import { watching } from './thread.js';

/** @typedef {import('../client/client.js').Client} Client */

const TOAST_MS = 5_000;
/** Relative times are written anew this often. */
const TIMES_MS = 30_000;

export class App {
  /** @type {Conversation | null} the chat on show */
  #conversation = null;
  /** @type {(() => void)[]} */
  #undo = [];
  #drafts = new Storage(sessionStorageOrNull());

  /** @param {{client: Client, signOut: () => void, signInAgain: () => void}} parts */
  constructor({ client, signOut, signInAgain }) {
    this.client = client;
    this.signOut = signOut;
    this.banner = new Banner({ client, signInAgain });
    this.sidebar = new Sidebar({
      client,
      current: () => this.#wanted,
      newChat: (handle) => this.#newChat(handle),
      signOut: () => this.#askSignOut(),
      leave: () => this.#conversation?.focus(),
    });
    this.nothing = h('div', { class: 'nothing' }, h('img', { src: '/icon.svg', alt: '', width: 64, height: 64 }), h('p', {}, 'Choose a chat, or start a new one.'));
    this.stage = h('main', { class: 'stage' }, this.nothing);
    this.toasts = h('div', { class: 'toasts', role: 'status' });
    this.spoken = h('div', { class: 'unseen', 'aria-live': 'polite', 'data-spoken': '' });
    this.element = h('div', { class: 'app' }, this.banner.element, h('div', { class: 'panes' }, this.sidebar.element, this.stage), this.toasts, this.spoken);
    this.update = coalesce(() => this.#update());
  }

  start() {
    const { client } = this;
    this.#undo = [
      client.on('state', () => this.#stateChanged()),
      client.on('chats', () => this.update()),
      client.on('users', () => this.update()),
      client.on('chat', (id) => id === this.#conversation?.chat.id && this.update()),
      client.on('message', (message) => this.#heard(message)),
      listen(window, 'hashchange', () => this.#route()),
      listen(window, 'online', () => client.connection.retryNow()),
      listen(window, 'offline', () => client.connection.probe()),
      listen(document, 'visibilitychange', () => document.visibilityState === 'visible' && client.connection.retryNow()),
      listen(document, 'keydown', (event) => this.#key(/** @type {KeyboardEvent} */ (event))),
    ];
    const times = setInterval(() => this.update(), TIMES_MS);
    this.#undo.push(() => clearInterval(times));
    client.start();
    this.#stateChanged();
    this.#route();
  }

  close() {
    for (const undo of this.#undo) undo();
    this.banner.close();
    this.#conversation?.close();
  }

  storageFull() {
    this.toast('This browser cannot keep unsent messages. Do not close this tab before they are sent.');
  }

  /** @param {string} text */
  toast(text) {
    const toast = h('div', { class: 'toast' }, text);
    this.toasts.append(toast);
    setTimeout(() => toast.remove(), TOAST_MS);
  }

  get #wanted() {
    return /^#\/c\/([\w-]+)$/u.exec(location.hash)?.[1] ?? null;
  }

  #stateChanged() {
    this.banner.update();
    this.update();
  }

  #update() {
    this.sidebar.update();
    if (this.client.connection.state.name === 'online') this.banner.update();
    if (this.#wanted !== (this.#conversation?.chat.id ?? null)) this.#route();
    this.#conversation?.update();
    const unread = this.client.list.unreadChats;
    document.title = unread > 0 ? `(${unread}) Tidings` : 'Tidings';
  }

  /** Shows the chat of the address, once it is known. */
  #route() {
    const id = this.#wanted;
    this.element.classList.toggle('has-chat', id !== null);
    if (id === (this.#conversation?.chat.id ?? null)) return;
    this.#conversation?.close();
    this.#conversation = null;
    if (id === null || !this.client.chats.has(id)) this.stage.replaceChildren(this.nothing);
    else this.#show(id);
    this.sidebar.update();
  }

  /** @param {string} id */
  #show(id) {
    this.client.open(id);
    const conversation = new Conversation({ client: this.client, id, drafts: this.#drafts, back: () => this.#back(), toast: (text) => this.toast(text) });
    this.#conversation = conversation;
    this.stage.replaceChildren(conversation.element);
    conversation.update();
    conversation.focus();
  }

  #back() {
    const id = this.#wanted;
    location.hash = '#/';
    const line = id === null ? null : this.sidebar.list.querySelector(`[data-chat="${CSS.escape(id)}"] a`);
    /** @type {HTMLElement | null} */ (line)?.focus();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
      event.preventDefault();
      if (phone()) location.hash = '#/';
      this.sidebar.find();
    } else if (event.key === 'Escape' && document.querySelector('dialog[open]') === null) {
      if (this.#conversation?.members) this.#conversation.toggleMembers();
      else if (this.#wanted !== null && phone()) this.#back();
      else this.#conversation?.focus();
    }
  }

  /** @param {string} [handle] */
  #newChat(handle) {
    const done = (/** @type {import('../client/types.js').Summary} */ summary) => {
      this.sidebar.search.value = '';
      this.client.put(summary);
      location.hash = `#/c/${summary.id}`;
    };
    new NewChat({ client: this.client, handle, done }).show();
  }

  /** Reads out a message that comes while its chat is on show. @param {{chat: import('../client/chat.js').Chat, entry: import('../client/types.js').Entry}} message */
  #heard({ chat, entry }) {
    if (chat.id !== this.#conversation?.chat.id || !watching()) return;
    this.spoken.textContent = `${userName(this.client, entry.event.from)}: ${entry.event.body.text}`;
  }

  #askSignOut() {
    const waiting = this.client.outbox.size;
    if (waiting === 0) {
      this.signOut();
      return;
    }
    const close = () => dialog.close();
    const text = `${counted(waiting, 'message')} ${waiting === 1 ? 'is' : 'are'} not sent yet and will be dropped.`;
    const dialog = h('dialog', { class: 'dialog', 'aria-label': 'Sign out', on: { close: () => dialog.remove() } },
      h('h2', {}, 'Sign out?'), h('p', {}, text),
      h('div', { class: 'buttons' },
        h('button', { type: 'button', class: 'button quiet', on: { click: close } }, 'Stay'),
        h('button', { type: 'button', class: 'button danger', on: { click: () => { close(); this.signOut(); } } }, 'Sign out')));
    document.body.append(dialog);
    dialog.showModal();
  }
}

const phone = () => window.matchMedia('(max-width: 719px)').matches;

/** @param {EventTarget} target @param {string} name @param {(event: Event) => void} listener */
function listen(target, name, listener) {
  target.addEventListener(name, listener);
  return () => target.removeEventListener(name, listener);
}

function sessionStorageOrNull() {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}
