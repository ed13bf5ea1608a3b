// The client library against the scripted server: what goes wrong on the way, and what must come out.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { WebSocket } from 'ws';
import { Auth, Client, Storage, uuidv7 } from '../../src/client/index.js';
import { MockServer } from '../mock/server.mjs';
import { until } from '../story.mjs';

let server;
let clients;

beforeEach(async () => {
  server = await new MockServer().start();
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.stop();
  await server.stop();
});

class Memory {
  #kept = new Map();
  getItem(key) { return this.#kept.get(key) ?? null; }
  setItem(key, value) { this.#kept.set(key, value); }
  removeItem(key) { this.#kept.delete(key); }
}

const grantOf = (handle) => server.world.grant([...server.world.users.values()].find((user) => user.handle === handle));

/** A started client; `local` is what outlives it. */
async function sign(handle, { local = new Storage(new Memory()), device = `device of ${handle}`, wait = true } = {}) {
  const session = new Storage(new Memory());
  session.write('tidings.grant', grantOf(handle));
  const auth = new Auth({ base: server.url, session });
  const client = new Client({ base: server.url, auth, local, device, WebSocket, name: 'test/1' });
  clients.push(client);
  client.start();
  if (wait) await until(() => client.connection.state.name === 'online', `${handle} is online`);
  return client;
}

/** alice and bob with one open chat. */
async function pair() {
  const [alice, bob] = [await sign('alice'), await sign('bob')];
  const { id } = await alice.api.createDirect('@bob');
  for (const client of [alice, bob]) {
    await until(() => client.chats.has(id), 'the chat is there');
    client.open(id);
    await until(() => client.chats.get(id).timeline.loaded && client.chats.get(id).sync.whole, 'the chat is open');
  }
  return { alice, bob, id };
}

const shown = (client, id) => client.chats.get(id).timeline.entries.filter(({ event }) => event.kind === 'message').map(({ event }) => event.body.text);
const shows = (client, id, wanted) => until(() => shown(client, id).join() === wanted.join(), () => `${client.me.name} sees ${wanted}, not ${shown(client, id)}`);
const logged = (id) => server.world.chats.get(id).log.filter(({ event }) => event.kind === 'message').map(({ event }) => event.body.text);
const sends = () => server.received.filter(({ type }) => type === 'send');
const names = (count, stem = 'm') => Array.from({ length: count }, (_, at) => `${stem}${at}`);

test('messages go both ways, each side sees one order', async () => {
  const { alice, bob, id } = await pair();
  for (const text of names(20)) (text.endsWith('3') ? bob : alice).send(id, text);
  await until(() => logged(id).length === 20, 'all are stored');
  await shows(alice, id, logged(id));
  await shows(bob, id, logged(id));
  assert.equal(alice.outbox.size, 0);
});

test('events lost on the way are fetched when the next one shows the hole', async () => {
  const { alice, bob, id } = await pair();
  server.faults.loseEvents = 3;
  for (const text of names(5)) {
    alice.send(id, text);
    await until(() => logged(id).includes(text), 'stored');
  }
  await shows(bob, id, names(5));
});

test('repeated events are shown once', async () => {
  const { alice, bob, id } = await pair();
  server.faults.repeatEvents = true;
  for (const text of names(5)) alice.send(id, text);
  await shows(bob, id, names(5));
});

test('a connection lost between store and ack: settled by its own event, not sent again', async () => {
  const { alice, bob, id } = await pair();
  server.faults.send = [{ store: true, terminate: true }];
  alice.send(id, 'stored');
  alice.send(id, 'behind it');
  await shows(bob, id, ['stored', 'behind it']);
  await shows(alice, id, ['stored', 'behind it']);
  assert.deepEqual(logged(id), ['stored', 'behind it']);
  await until(() => alice.outbox.size === 0, 'the outbox is empty');
  assert.equal(sends().filter(({ body, retry }) => body.text === 'stored' && retry).length, 0);
});

test('lost before the store: sent again as a marked retry with after_seq, after a complete sync', async () => {
  const { alice, bob, id } = await pair();
  const last = alice.chats.get(id).sync.last;
  server.faults.send = [{ store: false, terminate: true }];
  server.received.length = 0;
  alice.send(id, 'lost');
  await shows(bob, id, ['lost']);
  const [first, second] = sends();
  assert.deepEqual([first.retry, first.after_seq], [undefined, undefined]);
  assert.deepEqual([second.client_id, second.retry, second.after_seq], [first.client_id, true, last]);
  const order = server.received.map(({ type }) => type).filter((type) => type === 'sync' || type === 'send');
  assert.deepEqual(order.slice(0, 3), ['send', 'sync', 'send']);
});

test('after a reload the outbox is settled: what was stored leaves, the rest goes again, once and in order', async () => {
  const { alice, bob, id } = await pair();
  const local = new Storage(new Memory());
  const device = 'the same tab';
  const before = await sign('alice', { local, device });
  await until(() => before.chats.has(id), 'the chat is there');
  server.faults.send = [{ store: true }, { store: false }, { store: false }];
  for (const text of ['stored', 'second', 'third']) before.send(id, text);
  await until(() => logged(id).length === 1 && sends().length === 3, 'all went out, one was stored');
  before.stop();
  for (const text of names(3, 'meanwhile ')) bob.send(id, text);
  await until(() => logged(id).length === 4, 'others wrote on');
  server.faults.syncPage = 2;
  const after = await sign('alice', { local, device });
  await until(() => after.outbox.size === 0, 'settled');
  const whole = ['stored', ...names(3, 'meanwhile '), 'second', 'third'];
  assert.deepEqual(logged(id), whole);
  await shows(alice, id, whole);
  await shows(bob, id, whole);
  after.open(id);
  await shows(after, id, whole);
});

test('outcome_unknown: sync and see, whether it was stored or not', async () => {
  for (const store of [true, false]) {
    const { alice, bob, id } = await pair();
    const before = logged(id);
    const refuse = { code: 'outcome_unknown', retry: 'after_sync' };
    server.faults.send = [{ store, refuse }];
    alice.send(id, `stored: ${store}`);
    await shows(bob, id, [...before, `stored: ${store}`]);
    await until(() => alice.outbox.size === 0, 'settled');
    assert.deepEqual(logged(id), [...before, `stored: ${store}`]);
  }
});

test('a retryable refusal and the out_of_turn behind it keep the order', async () => {
  const { alice, bob, id } = await pair();
  const turn = { refuse: { code: 'out_of_turn', retry: 'after_sync' } };
  server.faults.send = [{ refuse: { code: 'overloaded', retry: 'backoff', retry_after_ms: 30 } }, turn, turn, turn, turn];
  for (const text of names(5)) alice.send(id, text);
  await shows(bob, id, names(5));
  assert.deepEqual(logged(id), names(5));
  assert.equal(sends().some(({ retry }) => retry), false, 'a refusal is no unknown outcome');
});

test('out_of_turn alone is answered by a sync', async () => {
  const { alice, bob, id } = await pair();
  server.faults.send = [{ refuse: { code: 'out_of_turn', retry: 'after_sync' } }];
  server.received.length = 0;
  alice.send(id, 'in turn');
  await shows(bob, id, ['in turn']);
  assert.deepEqual(server.received.map(({ type }) => type).filter((type) => type !== 'read'), ['send', 'sync', 'send']);
});

test('sync_required ends: the sync moves after_seq', async () => {
  const { alice, bob, id } = await pair();
  server.faults.send = [{ store: false, terminate: true }, { refuse: { code: 'sync_required', retry: 'after_sync' } }];
  alice.send(id, 'far behind');
  await until(() => sends().length >= 2, 'refused');
  bob.send(id, 'meanwhile');
  await until(() => logged(id).includes('far behind'), 'stored');
  await until(() => alice.outbox.size === 0, 'settled');
  const places = sends().filter(({ retry }) => retry).map(({ after_seq: place }) => place);
  assert.ok(places.at(-1) >= places[0]);
});

test('a refusal for good fails that message alone; trying again later keeps its name', async () => {
  const { alice, bob, id } = await pair();
  server.faults.send = [null, { refuse: { code: 'not_allowed', retry: 'never' } }];
  for (const text of names(3)) alice.send(id, text);
  await shows(bob, id, ['m0', 'm2']);
  const [failed] = alice.outbox.ofChat(id);
  assert.deepEqual([failed.body.text, failed.state, failed.error], ['m1', 'failed', 'not_allowed']);
  alice.sendAgain(failed.client_id);
  await shows(bob, id, ['m0', 'm2', 'm1']);
  assert.equal(new Set(sends().filter(({ body }) => body.text === 'm1').map(({ client_id: name }) => name)).size, 1);
});

test('an event that follows an own message waits for the answer to it, without a sync', async () => {
  const { alice, bob, id } = await pair();
  server.faults.delayMs = { send: 150 };
  server.received.length = 0;
  alice.send(id, 'slow ack');
  await until(() => logged(id).length === 1, 'stored');
  bob.send(id, 'answer');
  await shows(alice, id, ['slow ack', 'answer']);
  assert.equal(server.received.some(({ type }) => type === 'sync'), false);
});

test('close codes: now, back-off, new token, stop', async () => {
  const client = await sign('alice');
  const states = [];
  client.on('state', (state) => states.push(state.name));
  const [session] = server.sessions;
  session.socket.close(4000);
  await until(() => states.join() === 'waiting,connecting,online', 'back at once');
  let renewals = 0;
  const world = server.world;
  const { grant } = world;
  world.grant = function counted(user) { renewals += 1; return grant.call(world, user); };
  [...server.sessions][0].socket.close(4200);
  await until(() => states.filter((name) => name === 'online').length === 2, 'back with a new token');
  assert.equal(renewals, 1);
  [...server.sessions][0].socket.close(4300);
  await until(() => client.connection.state.name === 'stopped', 'stopped');
  assert.equal(server.sessions.size, 0);
});

test('a drain is left within its window and nothing is missed', async () => {
  const { alice, bob, id } = await pair();
  const [first] = [...server.sessions].filter(({ user }) => user === bob.me.id);
  first.say({ type: 'drain', reconnect_after_ms: 0, window_ms: 20 });
  await until(() => !server.sessions.has(first), 'left');
  alice.send(id, 'while moving');
  await shows(bob, id, ['while moving']);
});

test('resumed with nothing moved asks for nothing; moved while away is fetched', async () => {
  const { alice, bob, id } = await pair();
  server.faults.refuseSockets = true;
  for (const session of server.sessions) if (session.user === bob.me.id) session.socket.terminate();
  await until(() => bob.connection.state.name === 'waiting', 'bob is away');
  for (const text of names(7)) alice.send(id, text);
  await until(() => logged(id).length === 7, 'stored');
  server.faults.refuseSockets = false;
  server.faults.syncPage = 3;
  bob.connection.retryNow();
  await shows(bob, id, names(7));
  const hello = server.received.findLast(({ type }) => type === 'hello');
  assert.equal(typeof hello.since, 'string');
  assert.equal(hello.token.length > 0, true);
});

test('resync for all: what was lost in silence comes', async () => {
  const { alice, bob, id } = await pair();
  server.faults.loseEvents = 2;
  for (const text of names(2)) alice.send(id, text);
  await until(() => logged(id).length === 2, 'stored');
  for (const session of server.sessions) session.say({ type: 'resync' });
  await shows(bob, id, names(2));
});

test('a failing sync is asked again, and what came meanwhile is not lost', async () => {
  const { alice, bob, id } = await pair();
  server.faults.loseEvents = 1;
  const refusal = { code: 'log_unavailable', retry: 'backoff', retry_after_ms: 20 };
  server.faults.refuse = { sync: [refusal, refusal] };
  for (const text of names(4)) alice.send(id, text);
  await shows(bob, id, names(4));
});

test('a chat that was made elsewhere comes with its first message', async () => {
  const { alice, bob } = await pair();
  const summary = await alice.api.createGroup({ clientId: uuidv7(), title: 'New', members: [bob.me.id] });
  alice.put(summary);
  alice.send(summary.id, 'first');
  await until(() => bob.chats.get(summary.id)?.unread.count === 1, 'it counts');
  assert.equal(bob.list.sorted()[0].id, summary.id);
});

test('unsent messages of a lost connection are sent in order with new ones behind', async () => {
  const { alice, bob, id } = await pair();
  server.faults.refuseSockets = true;
  for (const session of server.sessions) if (session.user === alice.me.id) session.socket.terminate();
  await until(() => alice.connection.state.name === 'waiting', 'away');
  for (const text of names(30)) alice.send(id, text);
  assert.equal(alice.outbox.size, 30);
  server.faults.refuseSockets = false;
  alice.connection.retryNow();
  await until(() => logged(id).length === 30, 'stored');
  assert.deepEqual(logged(id), names(30));
  await shows(bob, id, names(30));
});
