// The log and the directory of the mock server: PROTOCOL in memory, one process, nothing kept. It exists to script what a
// real server does rarely (lost and repeated events, unknown outcomes, drains, every close code) and never stands for one.
import { createHash, randomUUID } from 'node:crypto';

export class Refusal extends Error {
  constructor(code, retry = 'never', extra = {}) {
    super(code);
    Object.assign(this, { code, retry, retry_after_ms: null, status: 400, ...extra });
  }
}

const uuidOf = (text) => {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

export class World {
  seq = 0;
  users = new Map();
  chats = new Map();
  tokens = new Map();
  /** Told of each stored entry: (chat, entry, session that sent it or null). */
  onEntry = () => {};

  constructor(demo = []) {
    for (const { handle, name, password } of demo) this.register({ handle, name, password });
  }

  register({ handle, name, password }) {
    if ([...this.users.values()].some((user) => user.handle === handle)) throw new Refusal('already', 'never', { status: 409 });
    const user = { id: randomUUID(), handle, name: name || handle, password };
    this.users.set(user.id, user);
    return user;
  }

  login({ handle, password }) {
    const user = [...this.users.values()].find((known) => known.handle === handle && known.password === password);
    if (!user) throw new Refusal('unauthenticated', 'never', { status: 401 });
    return user;
  }

  grant(user) {
    const access = randomUUID();
    const refresh = randomUUID();
    this.tokens.set(access, user.id);
    this.tokens.set(refresh, user.id);
    return { user: this.card(user.id), access, access_expires_at: new Date(Date.now() + 900_000).toISOString(), refresh };
  }

  card(id) {
    const { handle, name } = this.users.get(id);
    return { id, handle, name };
  }

  userOf(token) {
    const id = this.tokens.get(token);
    if (!id) throw new Refusal('unauthenticated', 'refresh_token', { status: 401 });
    return id;
  }

  find(ref) {
    const user = ref.startsWith('@') ? [...this.users.values()].find((known) => known.handle === ref.slice(1)) : this.users.get(ref);
    if (!user) throw new Refusal('no_such_user', 'never', { status: 404 });
    return user.id;
  }

  member(chatId, user) {
    const chat = this.chats.get(chatId);
    if (!chat) throw new Refusal('no_such_chat', 'never', { status: 404 });
    const member = chat.members.get(user);
    if (!member) throw new Refusal('not_member', 'never', { status: 403 });
    return { chat, member };
  }

  active(chatId, user) {
    const found = this.member(chatId, user);
    if (found.member.left !== null) throw new Refusal('not_member', 'never', { status: 403 });
    return found;
  }

  append(chat, event, session = null) {
    this.seq += 1 + Math.floor(Math.random() * 3);
    const prev = chat.log.at(-1)?.seq ?? 0;
    const n = chat.n + (event.kind === 'message' ? 1 : 0);
    chat.n = n;
    const entry = { seq: this.seq, prev, n, event: { v: 1, at: new Date().toISOString(), ...event } };
    chat.log.push(entry);
    const { members } = chat;
    if (event.kind === 'message') this.read(chat.id, event.from, entry.seq);
    if (event.kind === 'member_added') members.set(event.body.user, { ...(members.get(event.body.user) ?? { read: 0 }), role: event.body.role, joined: entry.seq, left: null });
    if (event.kind === 'member_removed') members.get(event.body.user).left = entry.seq;
    if (event.kind === 'member_left') members.get(event.from).left = entry.seq;
    if (event.kind === 'role_changed') members.get(event.body.user).role = event.body.role;
    if (event.kind === 'renamed') chat.title = event.body.title;
    this.onEntry(chat, entry, session);
    return entry;
  }

  create(me, { kind, with: other, client_id: clientId, title, members = [] }) {
    const others = kind === 'direct' ? [this.find(other)] : members.map((ref) => this.find(ref));
    const id = uuidOf(kind === 'direct' ? [me, others[0]].sort().join() : me + clientId);
    if (!this.chats.has(id)) {
      const ids = [...new Set([me, ...others])];
      const role = (user) => (kind === 'group' && user === me ? 'owner' : 'member');
      const rows = ids.map((user) => [user, { role: role(user), joined: this.seq + 1, left: null, read: 0 }]);
      const chat = { id, kind, title: title ?? null, members: new Map(rows), log: [], n: 0 };
      this.chats.set(id, chat);
      this.append(chat, { kind: 'created', from: me, body: { kind, title: chat.title, members: ids } });
    }
    return this.summary(id, me);
  }

  /** `session` is told `sent` instead of the event. */
  send(me, { chat: chatId, client_id: clientId, body, retry, after_seq: after }, session = null) {
    const { chat } = this.active(chatId, me);
    if (typeof body?.text !== 'string') throw new Refusal('bad_field');
    if (body.text.length > 16_000) throw new Refusal('too_large');
    if (retry && typeof after !== 'number') throw new Refusal('bad_field');
    const known = chat.log.find((entry) => entry.event.from === me && entry.event.client_id === clientId);
    if (known && known.event.body.text !== body.text) throw new Refusal('conflict', 'never', { status: 409 });
    const entry = known ?? this.append(chat, { kind: 'message', from: me, client_id: clientId, body }, session);
    return { chat: chatId, client_id: clientId, seq: entry.seq, at: entry.event.at, duplicate: known !== undefined };
  }

  read(chatId, me, seq) {
    const { member } = this.member(chatId, me);
    member.read = Math.max(member.read, seq);
  }

  visible(chat, user) {
    const left = chat.members.get(user).left ?? Infinity;
    return chat.log.filter((entry) => entry.seq <= left);
  }

  summary(chatId, user) {
    const { chat, member } = this.member(chatId, user);
    const log = this.visible(chat, user);
    const message = log.findLast((entry) => entry.event.kind === 'message');
    const newest = { seq: log.at(-1).seq, n: message?.n ?? 0, at: message?.event.at ?? null, preview: message?.event.body.text.slice(0, 140) ?? null, from: message?.event.from ?? null };
    const unread = log.filter((entry) => entry.event.kind === 'message' && entry.event.from !== user && entry.seq > member.read).length;
    const present = [...chat.members.values()].filter((row) => row.left === null).length;
    const other = [...chat.members.keys()].find((id) => id !== user) ?? user;
    return {
      id: chat.id, kind: chat.kind, title: chat.title, members: present, role: member.role, newest,
      read_seq: member.read, unread, muted_until: null, left_seq: member.left, ...(chat.kind === 'direct' ? { with: other } : {}),
    };
  }

  list(user) {
    const mine = [...this.chats.values()].filter((chat) => chat.members.has(user)).map((chat) => this.summary(chat.id, user));
    return mine.sort((a, b) => b.newest.seq - a.newest.seq);
  }

  history(user, { chat: chatId, before = Infinity, limit = 50 }) {
    const { chat } = this.member(chatId, user);
    const all = this.visible(chat, user).filter((entry) => entry.seq < before);
    const items = all.slice(-limit);
    return { chat: chatId, items, older: all.length > items.length ? `before:${items[0].seq}` : null, newer: null };
  }

  sync(user, { chat: chatId, after }, pageEntries) {
    const { chat } = this.member(chatId, user);
    const run = this.visible(chat, user).filter((entry) => entry.seq > after);
    return { chat: chatId, items: run.slice(0, pageEntries), limited: run.length > pageEntries, cursor: null };
  }
}
