// @ts-check
/**
 * One WebSocket at a time, opened again for as long as it makes sense.
 *
 * States: `idle` (not started), `connecting`, `online` (welcomed), `waiting` (until a time, then `connecting`), `stopped` (the
 * server said not to come back, or nobody is signed in). A connection that has gone silent is found by a ping. Every
 * request ends: with its answer, a refusal, or `Unanswered` when the connection ends or its time is over. At most
 * `OPEN_REQUESTS` are open; beyond that a request is refused at once. Frames are handed on in the order in which they came,
 * answers too (`ask` calls back at once; a promise would let the next frame pass its answer). It never sends anything but
 * `hello` before `welcome`, and never puts a token in the address.
 */
import { fullJitter } from './backoff.js';
import { closeVerdict, Refused, Unanswered } from './codes.js';
import { Emitter } from './emitter.js';
import { decodeFrame } from './frames.js';

/** @typedef {{name: 'idle' | 'connecting' | 'online' | 'stopped'} | {name: 'waiting', until: number}} State */
/** @typedef {{answered: (frame: any) => void, failed: (error: Error) => void}} Handlers */
/** @typedef {Handlers & {timer: any}} Waiter */

export const OPEN_REQUESTS = 256;
const REQUEST_TIMEOUT_MS = 12_000;
/** Socket open to `welcome`. */
const HELLO_TIMEOUT_MS = 12_000;
/** Nothing heard for this long: ask. */
const SILENCE_MS = 20_000;
const PONG_TIMEOUT_MS = 8_000;
/** A connection that held this long starts the back-off anew. */
const STABLE_MS = 30_000;
/** Closes that say "now" in a row before they are treated as "back-off", so that a faulty server is not hammered. */
const NOW_IN_A_ROW = 3;

export class Connection extends Emitter {
  /** @type {State} */
  state = { name: 'idle' };
  /** @type {WebSocket | null} the only socket whose events count; replaced and nulled here alone */
  #socket = null;
  /** @type {Map<number, Waiter>} by request id; emptied when the socket ends */
  #waiters = new Map();
  #nextId = 1;
  #attempt = 0;
  #renew = false;
  /** @type {any} the wait before the next attempt, or before leaving a draining server */
  #retryTimer;
  /** @type {any} */
  #helloTimer;
  /** @type {any} */
  #silenceTimer;
  /** @type {any} */
  #stableTimer;
  #parts;

  /**
   * @param {{url: string, WebSocket: typeof WebSocket, token: (options: {renew: boolean}) => Promise<string>, hello: () => object, random?: () => number}} parts
   *   `hello` gives the fields of the first frame but the token
   */
  constructor(parts) {
    super();
    this.#parts = parts;
  }

  start() {
    if (this.state.name === 'idle' || this.state.name === 'stopped') void this.#connect();
  }

  stop() {
    this.#drop('stopped', 1000);
    this.#move({ name: 'idle' });
  }

  /** Does not wait any longer: the user asked, or the network came back. */
  retryNow() {
    if (this.state.name === 'waiting') void this.#connect();
  }

  /** The network may be gone without the socket knowing. */
  probe() {
    if (this.state.name === 'online') this.#ping();
  }

  /** Ends a connection that cannot be trusted any more and opens a new one. */
  reconnect() {
    if (this.state.name !== 'online') return;
    this.#drop('given up', 4000);
    this.#wait(0);
  }

  /**
   * For answers whose place among the other frames matters.
   * @param {string} type
   * @param {object} fields
   * @param {Handlers} handlers one of them is called once
   * @param {number} [timeoutMs]
   */
  ask(type, fields, handlers, timeoutMs = REQUEST_TIMEOUT_MS) {
    if (this.state.name === 'online') this.#ask(type, fields, handlers, timeoutMs);
    else handlers.failed(new Unanswered('not connected'));
  }

  /**
   * @param {string} type
   * @param {object} fields
   * @param {number} [timeoutMs]
   * @returns {Promise<any>} the answer
   */
  request(type, fields, timeoutMs) {
    return new Promise((answered, failed) => this.ask(type, fields, { answered, failed }, timeoutMs));
  }

  /** @param {string} type @param {object} fields @param {Handlers} handlers @param {number} timeoutMs */
  #ask(type, fields, handlers, timeoutMs) {
    if (this.#waiters.size >= OPEN_REQUESTS) {
      handlers.failed(new Refused({ code: 'too_many_requests', retry: 'backoff' }));
      return;
    }
    const id = this.#nextId;
    this.#nextId += 1;
    const timer = setTimeout(() => {
      this.#waiters.delete(id);
      handlers.failed(new Unanswered(`no answer to ${type}`, { silent: true }));
    }, timeoutMs);
    this.#waiters.set(id, { ...handlers, timer });
    this.#socket?.send(JSON.stringify({ id, type, ...fields }));
  }

  async #connect() {
    clearTimeout(this.#retryTimer);
    this.#move({ name: 'connecting' });
    let token;
    try {
      token = await this.#parts.token({ renew: this.#renew });
    } catch (error) {
      if (this.state.name !== 'connecting') return;
      if (error instanceof Refused && error.retry === 'never') this.#move({ name: 'stopped' });
      else this.#wait(this.#backoff());
      return;
    }
    if (this.state.name === 'connecting' && this.#socket === null) this.#open(token);
  }

  /** @param {string} token */
  #open(token) {
    const socket = new this.#parts.WebSocket(this.#parts.url, 'tidings.v1');
    this.#socket = socket;
    this.#helloTimer = setTimeout(() => this.#fail(), HELLO_TIMEOUT_MS);
    socket.onopen = () => {
      if (socket === this.#socket) this.#hello(token);
    };
    socket.onmessage = (message) => {
      if (socket === this.#socket) this.#receive(message.data);
    };
    // What went wrong shows in the close that follows; outside browsers an error that nobody takes ends the program.
    socket.onerror = () => {};
    socket.onclose = (close) => {
      if (socket === this.#socket) this.#closed(close.code);
    };
  }

  /** @param {string} token */
  #hello(token) {
    const handlers = {
      answered: (/** @type {any} */ welcome) => this.#welcomed(welcome),
      failed: (/** @type {Error} */ error) => this.#helloRefused(error),
    };
    this.#ask('hello', { token, ...this.#parts.hello() }, handlers, HELLO_TIMEOUT_MS);
  }

  /** @param {any} welcome */
  #welcomed(welcome) {
    clearTimeout(this.#helloTimer);
    this.#renew = false;
    this.#stableTimer = setTimeout(() => {
      this.#attempt = 0;
    }, STABLE_MS);
    this.#move({ name: 'online' });
    this.emit('welcome', welcome);
  }

  /** @param {any} error */
  #helloRefused(error) {
    if (!(error instanceof Refused)) return;
    this.#drop('hello refused', 1000);
    if (error.retry === 'refresh_token' || error.code === 'token_expired') this.#closedFor('token');
    else if (error.retry === 'never') this.#closedFor('stop');
    else this.#wait(error.retryAfterMs ?? this.#backoff());
  }

  /** @param {any} data */
  #receive(data) {
    this.#listenForSilence();
    if (typeof data !== 'string') return;
    for (const frame of decodeFrame(data, () => this.emit('bad_frame'))) {
      if (typeof frame.re === 'number') this.#answer(frame);
      else if (frame.type === 'drain') this.#drain(frame);
      else this.emit('frame', frame);
    }
  }

  /** @param {any} frame */
  #answer(frame) {
    const waiter = this.#waiters.get(frame.re);
    if (waiter === undefined) return;
    this.#waiters.delete(frame.re);
    clearTimeout(waiter.timer);
    if (frame.type === 'error') waiter.failed(new Refused(frame));
    else waiter.answered(frame);
  }

  /** The server goes: leave within its window, at a moment of our own. @param {any} frame */
  #drain(frame) {
    const spread = (this.#parts.random ?? Math.random)() * (frame.window_ms ?? 0);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.reconnect(), (frame.reconnect_after_ms ?? 0) + spread);
  }

  #listenForSilence() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.#ping(), SILENCE_MS);
  }

  #ping() {
    const socket = this.#socket;
    const handlers = {
      answered: (/** @type {any} */ pong) => this.emit('frame', pong),
      failed: () => {
        if (socket !== null && socket === this.#socket) this.#fail();
      },
    };
    this.#ask('ping', {}, handlers, PONG_TIMEOUT_MS);
  }

  /** The socket does not answer. */
  #fail() {
    this.#drop('no answer', 4000);
    this.#wait(this.#backoff());
  }

  /** @param {number} code */
  #closed(code) {
    this.#drop('closed', 1000);
    this.#closedFor(closeVerdict(code));
  }

  /** @param {import('./codes.js').CloseVerdict} verdict */
  #closedFor(verdict) {
    if (verdict === 'stop') {
      this.#move({ name: 'stopped' });
      return;
    }
    const again = this.#renew && verdict === 'token';
    if (verdict === 'token') this.#renew = true;
    const wait = this.#backoff();
    const atOnce = (verdict === 'now' || verdict === 'token') && !again && this.#attempt <= NOW_IN_A_ROW;
    this.#wait(atOnce ? 0 : wait);
  }

  #backoff() {
    const wait = fullJitter(this.#attempt, this.#parts.random);
    this.#attempt += 1;
    return wait;
  }

  /** @param {number} ms */
  #wait(ms) {
    clearTimeout(this.#retryTimer);
    this.#move({ name: 'waiting', until: Date.now() + ms });
    this.#retryTimer = setTimeout(() => void this.#connect(), ms);
  }

  /** Lets go of the socket: its later events count for nothing. @param {string} reason @param {number} code */
  #drop(reason, code) {
    const socket = this.#socket;
    this.#socket = null;
    for (const timer of [this.#retryTimer, this.#helloTimer, this.#silenceTimer, this.#stableTimer]) clearTimeout(timer);
    const waiters = [...this.#waiters.values()];
    this.#waiters.clear();
    for (const waiter of waiters) {
      clearTimeout(waiter.timer);
      waiter.failed(new Unanswered(reason));
    }
    if (socket !== null && socket.readyState <= 1) socket.close(code);
  }

  /** @param {State} state */
  #move(state) {
    this.state = state;
    this.emit('state', state);
  }
}
