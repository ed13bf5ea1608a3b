// @ts-check
/** Tells when the page is not connected, how long until the next attempt, and what waits to be sent. */
import { h } from './dom.js';
import { counted } from './texts.js';

/** @typedef {import('../client/client.js').Client} Client */

/** A connection that comes back sooner is not worth a word. */
const PATIENCE_MS = 250;
const TICK_MS = 200;

export class Banner {
  /** @type {any} one timer while not connected */
  #timer;
  #since = 0;

  /** @param {{client: Client, signInAgain: () => void}} parts */
  constructor({ client, signInAgain }) {
    this.client = client;
    this.text = h('span', { role: 'status' });
    this.wait = h('span', { class: 'banner-wait', 'aria-hidden': 'true' });
    this.retry = h('button', { type: 'button', class: 'link', on: { click: () => client.connection.retryNow() } }, 'Try now');
    this.again = h('button', { type: 'button', class: 'link', on: { click: signInAgain } }, 'Sign in again');
    this.element = h('div', { class: 'banner', hidden: true }, h('span', { class: 'pulse', 'aria-hidden': 'true' }), this.text, this.wait, this.retry, this.again);
  }

  /** After the state of the connection, or of the list, changed. */
  update() {
    clearInterval(this.#timer);
    if (this.client.connection.state.name === 'online') {
      this.#since = 0;
      this.#say(this.client.list.stale ? 'The newest messages may be missing: the server cannot read its log.' : '');
      for (const part of [this.wait, this.retry, this.again]) part.hidden = true;
      return;
    }
    if (this.#since === 0) this.#since = Date.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#tick();
  }

  close() {
    clearInterval(this.#timer);
  }

  #tick() {
    const { state } = this.client.connection;
    this.element.hidden = Date.now() - this.#since < PATIENCE_MS && state.name !== 'stopped';
    if (this.element.hidden) return;
    this.#say(this.#words(state.name));
    this.wait.hidden = false;
    const seconds = state.name === 'waiting' ? Math.ceil((state.until - Date.now()) / 1000) : 0;
    this.wait.textContent = seconds > 0 ? `Trying again in ${seconds} s` : state.name === 'stopped' ? '' : 'Connecting…';
    this.retry.hidden = seconds <= 0;
    this.again.hidden = state.name !== 'stopped';
  }

  /** @param {string} text read out when it changes; nothing to say hides the banner */
  #say(text) {
    this.element.hidden = text === '';
    if (this.text.textContent !== text) this.text.textContent = text;
  }

  /** @param {string} name of the state */
  #words(name) {
    if (name === 'stopped') return 'The server ended this session.';
    const waiting = this.client.outbox.size;
    const kept = waiting === 0 ? '' : ` ${counted(waiting, 'message')} will be sent when you are back.`;
    return `${navigator.onLine ? 'Not connected.' : 'You are offline.'}${kept}`;
  }
}
