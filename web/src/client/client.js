// @ts-check
/**
 * The Tidings client: one signed-in user on one device. It holds the connection, the chats and the outbox, and tells a
 * page what changed; it knows nothing of pages. What it shows of a chat is whole and in log order (see `sync.js`), and
 * what was written is stored once (see `outbox.js`, `sender.js`).
 *
 * Events: `state` (of the connection), `chats` (the list), `chat` (id: its messages or unsent ones), `users` (names),
 * `message` ({chat, entry}: live and of somebody else).
 */
import { Api } from './api.js';
import { Connection } from './connection.js';
import { outboxKey } from './device.js';
import { Emitter } from './emitter.js';
import { uuidv7 } from './ids.js';
import { ChatList } from './list.js';
import { Outbox } from './outbox.js';
import { Pages } from './pages.js';
import { Reads } from './reads.js';
import { Sender } from './sender.js';
import { Syncer } from './syncer.js';
import { Users } from './users.js';

/** @typedef {import('./chat.js').Chat} Chat */
/** @typedef {import('./types.js').Entry} Entry */
/** @typedef {import('./types.js').Summary} Summary */
/** @typedef {import('./types.js').OutboxItem} OutboxItem */
/** @typedef {{base: string, auth: import('./auth.js').Auth, local: import('./storage.js').Storage, device: string, WebSocket: typeof WebSocket, name: string, fetch?: typeof fetch}} Parts */

/** Opened chats whose messages stay in memory. */
const KEPT_TIMELINES = 12;

export class Client extends Emitter {
  /** @type {string | undefined} newest token; in memory, because the chats it covers are */
  #since;
  /** @type {string[]} opened chats, the latest last */
  #opened = [];
  /** @type {Set<string>} chats whose summary is being fetched */
  #fetching = new Set();
  #syncer;
  #sender;
  #pages;
  #reads;

  /** @param {Parts} parts */
  constructor(parts) {
    super();
    const { auth, local, device } = parts;
    if (auth.user === null) throw new Error('nobody is signed in');
    this.me = auth.user;
    this.api = new Api(parts);
    this.users = new Users((ids) => this.api.users(ids), () => this.emit('users'));
    this.users.put(this.me);
    this.outbox = new Outbox(local, outboxKey(this.me.id, device));
    this.connection = new Connection({
      url: socketUrl(parts.base),
      WebSocket: parts.WebSocket,
      token: (options) => auth.token(options),
      hello: () => ({ device, client: parts.name, ...(this.#since === undefined ? {} : { since: this.#since }) }),
    });
    this.list = new ChatList(this.connection, {
      hasUnsent: (id) => this.outbox.ofChat(id).length > 0,
      changed: () => this.emit('chats'),
    });
    this.#reads = new Reads(this.connection);
    this.#pages = new Pages(this.connection, (id) => this.emit('chat', id));
    this.#syncer = new Syncer(this.connection, {
      deliver: (chat, entries) => this.#deliver(chat, entries),
      complete: (chat) => this.#whole(chat),
    });
    this.#sender = this.#makeSender(() => auth.token({ renew: true }));
    this.#listen();
  }

  /** @param {() => Promise<unknown>} renewToken */
  #makeSender(renewToken) {
    return new Sender({
      connection: this.connection,
      outbox: this.outbox,
      chat: (id) => this.chats.get(id),
      sent: (chat, item, answer) => this.#sent(chat, item, answer),
      released: (chat, seq) => {
        this.#deliver(chat, chat.sync.sendEnded(seq));
        this.#syncer.want(chat);
      },
      sync: (chat) => this.#requireSync(chat),
      renewToken,
      changed: (id) => this.emit('chat', id),
    });
  }

  #listen() {
    this.connection.on('state', (state) => {
      if (state.name !== 'online') this.#disconnected();
      this.emit('state', state);
    });
    this.connection.on('welcome', (welcome) => this.#welcomed(welcome));
    this.connection.on('frame', (frame) => this.#frame(frame));
  }

  start() {
    this.connection.start();
  }

  stop() {
    this.connection.stop();
  }

  /** @returns {Map<string, Chat>} every chat this session heard of */
  get chats() {
    return this.list.chats;
  }

  // ---- what the user does

  /** @param {string} chat @param {string} text @returns {OutboxItem} */
  send(chat, text) {
    /** @type {OutboxItem} */
    const item = { client_id: uuidv7(), chat, body: { text }, at: new Date().toISOString(), after_seq: null, unknown: false, state: 'queued', error: null };
    this.outbox.add(item);
    this.#sender.pump(chat);
    this.emit('chat', chat);
    this.emit('chats');
    return item;
  }

  /** @param {string} clientId a failed one goes again, behind the others; under the same id, so it is never stored twice */
  sendAgain(clientId) {
    const item = this.outbox.get(clientId);
    if (item?.state !== 'failed') return;
    item.state = 'queued';
    item.error = null;
    this.outbox.moveLast(clientId);
    this.#sender.pump(item.chat);
    this.emit('chat', item.chat);
  }

  /** @param {string} clientId */
  discard(clientId) {
    const item = this.outbox.get(clientId);
    if (item === undefined || item.state === 'inflight') return;
    this.outbox.remove(clientId);
    this.emit('chat', item.chat);
    this.emit('chats');
  }

  /** Keeps a chat's messages in memory from now on and reads its newest page. @param {string} id */
  open(id) {
    const chat = this.chats.get(id);
    if (chat === undefined) return;
    chat.open();
    this.#opened = [...this.#opened.filter((other) => other !== id), id];
    while (this.#opened.length > KEPT_TIMELINES) this.#letGo(this.#opened.shift());
    this.#refresh(chat);
  }

  /** @param {string | undefined} id */
  #letGo(id) {
    const chat = id === undefined ? undefined : this.chats.get(id);
    if (chat !== undefined) chat.timeline = null;
  }

  /** @param {string} id @returns {Promise<void>} settles when the page is in, or could not be had */
  loadOlder(id) {
    const chat = this.chats.get(id);
    return chat === undefined ? Promise.resolve() : this.#pages.older(chat);
  }

  /** @param {string} id the user has seen everything that is shown */
  read(id) {
    const chat = this.chats.get(id);
    const seq = chat?.timeline?.newest;
    if (chat === undefined || seq === undefined || seq <= chat.unread.readSeq) return;
    chat.unread.read(seq);
    this.#reads.add(id, seq);
    this.emit('chats');
  }

  /** @param {Summary} summary of a chat just made or changed */
  put(summary) {
    this.list.put(summary, { welcome: false });
    this.emit('chats');
    this.emit('chat', summary.id);
  }

  // ---- what the server says

  #disconnected() {
    this.list.disconnected();
    for (const chat of this.chats.values()) {
      chat.sync.disconnected();
      chat.attached = false;
    }
    this.#syncer.disconnected();
    this.#sender.disconnected();
  }

  /** @param {any} welcome */
  #welcomed(welcome) {
    this.me = { ...this.me, ...welcome.user };
    this.users.put(this.me);
    this.list.welcomed(welcome);
    this.#since = welcome.since ?? this.#since;
    for (const id of this.outbox.chats()) if (!this.chats.has(id)) void this.#fetchChat(id);
    this.#sender.connected();
    for (const chat of this.chats.values()) if (!chat.sync.whole || chat.timeline !== null) this.#refresh(chat);
    this.#reads.flush();
    this.emit('chats');
    for (const id of this.#opened) this.emit('chat', id);
  }

  /** Makes an opened chat whole, attached and shown. @param {Chat} chat */
  #refresh(chat) {
    if (chat.timeline !== null && !chat.attached && !chat.closed && chat.sync.whole) chat.sync.requireSync();
    this.#syncer.want(chat);
    if (chat.sync.whole) void this.#pages.newest(chat);
  }

  /** @param {Chat} chat */
  #requireSync(chat) {
    chat.sync.requireSync();
    this.#syncer.want(chat);
  }

  /** @param {Chat} chat */
  #whole(chat) {
    chat.attached = true;
    this.#sender.synced(chat);
    void this.#pages.newest(chat);
    this.emit('chat', chat.id);
    this.emit('chats');
  }

  /** @param {any} frame */
  #frame(frame) {
    if (typeof frame.since === 'string') this.#since = frame.since;
    if (frame.type === 'event') this.#event(frame);
    else if (frame.type === 'chat') this.put(frame.chat);
    else if (frame.type === 'resync') this.#resync(frame.chats);
  }

  /** @param {any} frame */
  #event(frame) {
    const chat = this.chats.get(frame.chat);
    if (chat === undefined) {
      void this.#fetchChat(frame.chat);
      return;
    }
    const { seq, prev, event } = frame;
    const entries = chat.sync.event({ seq, prev, event });
    this.#deliver(chat, entries);
    for (const entry of entries) if (entry.event.kind === 'message' && entry.event.from !== this.me.id) this.emit('message', { chat, entry });
    this.#syncer.want(chat);
  }

  /** @param {string[] | null | undefined} ids all when absent */
  #resync(ids) {
    for (const chat of this.chats.values()) {
      if (!ids || ids.includes(chat.id)) this.#requireSync(chat);
    }
  }

  /** @param {Chat} chat @param {Entry[]} entries in log order */
  #deliver(chat, entries) {
    if (entries.length === 0) return;
    for (const entry of entries) {
      const { client_id: clientId, from } = entry.event;
      if (from === this.me.id && clientId !== undefined) this.outbox.remove(clientId);
      chat.apply(entry, this.me.id);
    }
    this.emit('chat', chat.id);
    this.emit('chats');
  }

  /** @param {Chat} chat @param {OutboxItem} item @param {{seq: number, at: string}} answer */
  #sent(chat, item, { seq, at }) {
    chat.apply({ seq, event: { v: 1, kind: 'message', from: this.me.id, client_id: item.client_id, at, body: item.body } }, this.me.id);
    this.emit('chat', chat.id);
    this.emit('chats');
  }

  /** A chat that the list did not bring. @param {string} id */
  async #fetchChat(id) {
    if (this.#fetching.has(id)) return;
    this.#fetching.add(id);
    try {
      this.put(await this.api.chat(id));
      this.#sender.pump(id);
    } catch {
      // Asked for again with its next event, or after the next welcome.
    } finally {
      this.#fetching.delete(id);
    }
  }
}

/** @param {string} base empty for the page's own address */
function socketUrl(base) {
  const url = new URL('/v1/ws', base === '' ? globalThis.location.href : base);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}
