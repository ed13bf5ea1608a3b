// @ts-check
/** Where messages are written. Enter sends, Shift and Enter start a new line; what is not sent yet stays as a draft in this tab. */
import { h, icon } from './dom.js';
import { explain } from './texts.js';

/** The server's bound on a body is 32 KiB; the rest is for its frame and escapes. */
export const TEXT_BYTES = 28 * 1024;
const ROWS_PX = 190;

export class Composer {
  /** @param {{chat: string, label: string, send: (text: string) => void, drafts: import('../client/storage.js').Storage, toast: (text: string) => void}} parts */
  constructor({ chat, label, send, drafts, toast }) {
    this.parts = { send, drafts, toast, key: `tidings.draft.${chat}` };
    this.field = h('textarea', {
      rows: 1,
      'aria-label': label,
      placeholder: 'Write a message',
      enterkeyhint: 'send',
      autocomplete: 'off',
      on: { input: () => this.#changed(), keydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) },
    });
    this.button = h('button', { type: 'submit', class: 'send', 'aria-label': 'Send', title: 'Send (Enter)' }, icon('send'));
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#send();
    };
    this.element = h('form', { class: 'composer', on: { submit } }, h('div', { class: 'field' }, this.field), this.button);
    const draft = drafts.read(this.parts.key);
    this.field.value = typeof draft === 'string' ? draft : '';
    this.button.disabled = this.field.value.trim() === '';
  }

  focus() {
    this.field.focus({ preventScroll: true });
    this.#fit();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#send();
  }

  #changed() {
    const { drafts, key } = this.parts;
    const text = this.field.value;
    this.button.disabled = text.trim() === '';
    if (text === '') drafts.remove(key);
    else drafts.write(key, text);
    this.#fit();
  }

  /** As high as its text, up to a bound. */
  #fit() {
    this.field.style.height = 'auto';
    this.field.style.height = `${Math.min(this.field.scrollHeight, ROWS_PX)}px`;
  }

  #send() {
    const text = this.field.value.trim();
    if (text === '') return;
    const bytes = new TextEncoder().encode(JSON.stringify(text)).length;
    if (bytes > TEXT_BYTES) {
      this.parts.toast('That message is too long. Send it in parts.');
      return;
    }
    try {
      this.parts.send(text);
    } catch (error) {
      this.parts.toast(explain(error));
      return;
    }
    this.field.value = '';
    this.#changed();
    this.focus();
  }
}
