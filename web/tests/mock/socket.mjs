// The mock's socket: one Session per connection. Faults stand in `server.faults`, an object tests write to.
import { Refusal } from './world.mjs';

export class Session {
  user = null;
  constructor(server, socket) {
    this.server = server;
    this.socket = socket;
    socket.on('message', (data) => {
      for (const line of data.toString().split('\n')) if (line.trim()) this.#receive(JSON.parse(line));
    });
    socket.on('close', () => server.sessions.delete(this));
  }

  say(frame) {
    if (this.socket.readyState === 1) this.socket.send(JSON.stringify(frame));
  }

  #receive(frame) {
    const { faults } = this.server;
    this.server.received.push(frame);
    try {
      if (this.user === null && frame.type !== 'hello') throw new Refusal('unauthenticated');
      const answer = frame.type === 'send' ? this.#send(frame) : this.#answer(frame);
      if (answer === null) return;
      const late = faults.delayMs?.[frame.type] ?? 0;
      const say = () => this.say({ re: frame.id, ...answer });
      if (late > 0) setTimeout(say, late);
      else say();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { code, retry, retry_after_ms } = error;
      this.say({ re: frame.id, type: 'error', code, message: code, retry, retry_after_ms });
    }
  }

  #answer(frame) {
    const { world, faults } = this.server;
    const refusal = faults.refuse?.[frame.type]?.shift();
    if (refusal) throw new Refusal(refusal.code, refusal.retry, refusal);
    switch (frame.type) {
      case 'hello': return this.#stale(this.#hello(frame));
      case 'sync': return { type: 'synced', ...world.sync(this.user, frame, faults.syncPage ?? 100) };
      case 'history': return { type: 'page', ...world.history(this.user, frame) };
      case 'chats': return this.#stale(this.#chats(frame));
      case 'read':
        world.read(frame.chat, this.user, frame.seq);
        this.server.tellUser(this.user, frame.chat, this);
        return { type: 'ok' };
      case 'ping': return { type: 'pong', server_time: new Date().toISOString(), since: this.server.token() };
      default: throw new Refusal('unknown_type');
    }
  }

  /** As if the log could not be read: nothing newer than what a list had before. */
  #stale(answer) {
    const { faults } = this.server;
    if (!(faults.stale > 0)) return answer;
    faults.stale -= 1;
    return { ...answer, chats: [], stale: true };
  }

  #hello({ token, since }) {
    const { world } = this.server;
    this.user = world.userOf(token);
    this.server.sessions.add(this);
    const position = since === undefined ? null : Number(since);
    const all = world.list(this.user);
    const chats = position === null ? all.slice(0, 50) : all.filter((chat) => chat.newest.seq > position);
    const unread = { chats: chats.filter((chat) => chat.unread > 0).length, messages: chats.reduce((sum, chat) => sum + chat.unread, 0) };
    return {
      type: 'welcome', user: world.card(this.user), session: 's', server_time: new Date().toISOString(), chats, unread,
      more: position === null && all.length > 50 ? '50' : null, resumed: position !== null, since: this.server.token(), limits: {},
    };
  }

  #chats({ cursor, limit = 50 }) {
    const from = Number(cursor ?? 0);
    const all = this.server.world.list(this.user);
    return { type: 'chat_list', chats: all.slice(from, from + limit), more: all.length > from + limit ? String(from + limit) : null };
  }

  /** `faults.send`: one instruction per send, in order: {refuse}, or {store, silent | close | refuse}, or null for none. */
  #send(frame) {
    const fault = this.server.faults.send?.shift() ?? null;
    const stored = fault === null || fault.store === true;
    const answer = stored ? { type: 'sent', ...this.server.world.send(this.user, frame, this) } : null;
    if (fault?.close) this.socket.close(fault.close);
    if (fault?.terminate) this.socket.terminate();
    if (fault?.refuse) throw new Refusal(fault.refuse.code, fault.refuse.retry, fault.refuse);
    return fault === null ? answer : null;
  }
}
