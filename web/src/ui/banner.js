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

  /** After the state of the connection changed. */
  update() {
    clearInterval(this.#timer);
    if (this.client.connection.state.name === 'online') {
      this.#since = 0;
      this.element.hidden = true;
      this.text.textContent = '';
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
    const text = this.#words(state.name);
    if (this.text.textContent !== text) this.text.textContent = text;
    const seconds = state.name === 'waiting' ? Math.ceil((state.until - Date.now()) / 1000) : 0;
    this.wait.textContent = seconds > 0 ? `Trying again in ${seconds} s` : state.name === 'stopped' ? '' : 'Connecting…';
    this.retry.hidden = seconds <= 0;
    this.again.hidden = state.name !== 'stopped';
  }

  /** @param {string} name of the state */
  #words(name) {
    if (name === 'stopped') return 'The server ended this session.';
    const waiting = this.client.outbox.size;
    const kept = waiting === 0 ? '' : ` ${counted(waiting, 'message')} will be sent when you are back.`;
    return `${navigator.onLine ? 'Not connected.' : 'You are offline.'}${kept}`;
  }
}
