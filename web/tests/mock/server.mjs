// A small server that speaks PROTOCOL in memory, for tests of the client library. `faults` scripts what goes wrong:
// send: [{refuse} | {store, close, terminate, refuse} | null], loseEvents: n, repeatEvents, refuse: {type: [...]}, delayMs: {type: ms},
// refuseHttp: [...], refuseSockets, syncPage, stale: n (answers with a list).
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { Session } from './socket.mjs';
import { Refusal, World } from './world.mjs';

const WEB = fileURLToPath(new URL('../../', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml' };
const CSP = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const DEMO = [
  { handle: 'alice', name: 'Alice', password: 'alice-demo' },
  { handle: 'bob', name: 'Bob', password: 'bob-demo' },
];

export class MockServer {
  world = new World(DEMO);
  sessions = new Set();
  faults = {};
  /** Every frame that came, for assertions. */
  received = [];

  async start(port = 0) {
    this.http = createServer((request, response) => void this.#serve(request, response));
    this.sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'tidings.v1' });
    this.http.on('upgrade', (request, socket, head) => {
      if (this.faults.refuseSockets) socket.destroy();
      else this.sockets.handleUpgrade(request, socket, head, (client) => new Session(this, client));
    });
    this.world.onEntry = (chat, entry, session) => this.#publish(chat, entry, session);
    await new Promise((listening) => this.http.listen(port, '127.0.0.1', listening));
    this.url = `http://127.0.0.1:${this.http.address().port}`;
    return this;
  }

  async stop() {
    for (const client of this.sockets.clients) client.terminate();
    await new Promise((closed) => {
      this.http.close(closed);
      this.http.closeAllConnections();
    });
  }

  token() {
    return String(this.world.seq);
  }

  tellUser(user, chat, except = null) {
    for (const session of this.sessions) {
      if (session.user === user && session !== except) session.say({ type: 'chat', chat: this.world.summary(chat, user), since: this.token() });
    }
  }

  #publish(chat, { seq, prev, event }, sender) {
    const lost = event.kind === 'message' && this.faults.loseEvents > 0;
    if (lost) this.faults.loseEvents -= 1;
    for (const session of this.sessions) {
      const member = chat.members.get(session.user);
      if (member === undefined || session === sender || (member.left !== null && seq > member.left)) continue;
      if (event.kind !== 'message') this.tellUser(session.user, chat.id);
      if (lost) continue;
      session.say({ type: 'event', chat: chat.id, seq, prev, event });
      if (this.faults.repeatEvents) session.say({ type: 'event', chat: chat.id, seq, prev, event });
    }
  }

  async #serve(request, response) {
    const url = new URL(request.url, 'http://localhost');
    try {
      if (!url.pathname.startsWith('/v1/')) return await this.#file(url.pathname, response);
      const chunks = await collect(request);
      const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : {};
      const refusal = this.faults.refuseHttp?.shift();
      if (refusal) throw new Refusal(refusal.code, refusal.retry, refusal);
      const answer = this.#call(request.method, url, body, request.headers.authorization?.slice(7));
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    } catch (error) {
      const status = error instanceof Refusal ? error.status : 500;
      const { code = 'internal', retry = 'backoff', message, retry_after_ms = null } = error;
      response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify({ title: message, status, code, retry, retry_after_ms }));
    }
  }

  #call(method, url, body, token) {
    const { world } = this;
    const path = url.pathname.slice(4).split('/').map(decodeURIComponent);
    switch (`${method} ${path[0]}/${path[1] ?? ''}`) {
      case 'GET dev/': return { demo: DEMO };
      case 'POST auth/login': return world.grant(world.users.get(world.login(body).id));
      case 'POST auth/register': return world.grant(world.register(body));
      case 'POST auth/refresh': return world.grant(world.users.get(world.userOf(body.refresh)));
      case 'POST auth/logout': return null;
      default: return this.#chatCall(method, path, { url, body, me: world.userOf(token) });
    }
  }

  #chatCall(method, [what, id, part, who], { url, body, me }) {
    const { world } = this;
    if (what === 'users') return id ? world.card(world.find(id)) : { users: url.searchParams.get('ids').split(',').filter((user) => world.users.has(user)).map((user) => world.card(user)) };
    if (what === 'chats' && !id) return world.create(me, body);
    if (what === 'chats' && part === 'members') return this.#members(method, id, { who, body, me });
    if (what === 'chats' && part === 'messages') return world.send(me, { chat: id, client_id: who, ...body });
    if (what === 'chats' && method === 'PATCH') world.append(world.active(id, me).chat, { kind: 'renamed', from: me, body: { title: body.title } });
    return world.summary(id, me);
  }

  #members(method, id, { who, body, me }) {
    const { world } = this;
    const { chat, member } = world.active(id, me);
    if (method === 'GET') {
      const members = [...chat.members].filter(([, row]) => row.left === null).map(([user, row]) => ({ user: world.card(user), role: row.role, joined_seq: row.joined }));
      return { members, more: null };
    }
    const user = world.find(who);
    if (user !== me && member.role === 'member') throw new Refusal('not_allowed', 'never', { status: 403 });
    const present = chat.members.get(user)?.left === null;
    if (method === 'PUT') world.append(chat, { kind: present ? 'role_changed' : 'member_added', from: me, body: { user, role: body.role ?? 'member' } });
    else world.append(chat, user === me ? { kind: 'member_left', from: me, body: {} } : { kind: 'member_removed', from: me, body: { user } });
    return null;
  }

  async #file(path, response) {
    const file = join(WEB, normalize(path === '/' ? '/index.html' : path));
    const served = /^\/(index\.html|app\.css|icon\.svg|src\/.*\.js)?$/.test(path);
    const bytes = served ? await readFile(file).catch(() => null) : null;
    if (bytes === null) return response.writeHead(404).end();
    return response.writeHead(200, { 'content-type': TYPES[extname(file)], 'content-security-policy': CSP, 'cache-control': 'no-cache' }).end(bytes);
  }
}

async function collect(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return chunks;
}
