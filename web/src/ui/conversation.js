// @ts-check
/** The right side: one chat with its header, messages, composer and, for groups, the members panel. */
import { avatar } from './avatar.js';
import { Composer } from './composer.js';
import { h, icon, keep } from './dom.js';
import { Members } from './members.js';
import { chatTitle, counted } from './texts.js';
import { Thread } from './thread.js';

/** @typedef {import('../client/client.js').Client} Client */

export class Conversation {
  /** @type {Members | null} null while closed */
  members = null;
  #shownHead = '';

  /** @param {{client: Client, id: string, drafts: import('../client/storage.js').Storage, back: () => void, toast: (text: string) => void}} parts */
  constructor({ client, id, drafts, back, toast }) {
    const chat = client.chats.get(id);
    if (chat === undefined) throw new Error('a conversation needs a known chat');
    this.client = client;
    this.chat = chat;
    this.toast = toast;
    this.thread = new Thread(client, chat);
    this.composer = new Composer({ chat: id, label: 'Message', drafts, toast, send: (text) => this.#send(text) });
    this.backButton = h('button', { type: 'button', class: 'icon-button back', 'aria-label': 'Back to the chats', on: { click: back } }, icon('back'));
    this.head = h('header', { class: 'conversation-head' });
    this.foot = h('div', { class: 'conversation-foot' });
    this.main = h('section', { class: 'conversation', 'aria-label': 'Chat' }, this.head, this.thread.element, this.foot);
    this.element = h('div', { class: 'conversation-frame' }, this.main);
    this.update();
  }

  close() {
    this.thread.close();
    this.members?.close();
  }

  /** Where one goes on: the field, but not on touch screens, where that would raise the keyboard over the messages. */
  focus() {
    const touch = window.matchMedia('(hover: none) and (pointer: coarse)').matches;
    if (this.chat.closed || touch) this.thread.scroller.focus();
    else this.composer.focus();
  }

  /** @param {string} text */
  #send(text) {
    this.client.send(this.chat.id, text);
    this.thread.wrote();
  }

  /** After anything about this chat, or a name, changed. */
  update() {
    this.#renderHead();
    this.thread.update();
    this.members?.update();
    keep(this.foot, [this.chat.closed ? this.closedNote : this.composer.element]);
  }

  closedNote = h('p', { class: 'closed-note' }, 'You are no longer in this group. You can read what was said until you left.');

  #renderHead() {
    const { client, chat } = this;
    const group = chat.summary.kind === 'group';
    const title = chatTitle(client, chat);
    const other = client.users.get(chat.summary.with);
    const detail = group ? counted(chat.summary.members, 'member') : other?.handle ? `@${other.handle}` : '';
    const shown = [title, detail, this.members !== null].join('\n');
    if (shown === this.#shownHead) return;
    this.#shownHead = shown;
    const peopleButton = group && h('button', { type: 'button', class: 'icon-button', 'aria-label': 'Members', title: 'Members', 'aria-expanded': this.members !== null ? 'true' : 'false', on: { click: () => this.toggleMembers() } }, icon('people'));
    const face = avatar(chat.summary.with ?? chat.id, title, { group });
    this.head.replaceChildren(this.backButton, face, h('div', { class: 'who' }, h('h2', {}, title), h('p', {}, detail)), ...(peopleButton ? [peopleButton] : []));
    this.main.setAttribute('aria-label', `Chat with ${title}`);
  }

  toggleMembers() {
    if (this.members === null) {
      this.members = new Members({ client: this.client, chat: this.chat, toast: this.toast, close: () => this.toggleMembers() });
      this.element.append(this.members.element);
      this.members.focus();
    } else {
      this.members.close();
      this.members.element.remove();
      this.members = null;
    }
    this.#renderHead();
    if (this.members === null) /** @type {HTMLElement | null} */ (this.head.querySelector('[aria-label="Members"]'))?.focus();
  }
}
