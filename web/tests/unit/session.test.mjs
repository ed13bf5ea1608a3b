// Tokens, refused hellos, HTTP tries and stale lists, against the scripted server.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { WebSocket } from 'ws';
import { Api, Auth, Client, Refused, Storage } from '../../src/client/index.js';
import { MockServer } from '../mock/server.mjs';
import { until } from '../story.mjs';

let server;
let client;

beforeEach(async () => {
  server = await new MockServer().start();
});

afterEach(async () => {
  client?.stop();
  client = null;
  await server.stop();
});

/** Calls to `path`, as they go out. */
function counting(path) {
  const counted = { calls: 0, fetch: (url, options) => {
    if (String(url).endsWith(path)) counted.calls += 1;
    return fetch(url, options);
  } };
  return counted;
}

async function signedIn({ fetch: send, expired = false } = {}) {
  const session = new Storage(null);
  const first = new Auth({ base: server.url, session });
  await first.login('alice', 'alice-demo');
  if (expired) session.write('tidings.grant', { ...session.read('tidings.grant'), access_expires_at: new Date(Date.now() - 1_000).toISOString() });
  return new Auth({ base: server.url, session, fetch: send });
}

const start = (auth) => {
  client = new Client({ base: server.url, auth, local: new Storage(null), device: 'd', WebSocket, name: 'test/1' });
  client.start();
  return client;
};

const expires = (auth) => auth.user !== null;

test('a token about to end is renewed once, however many ask', async () => {
  const http = counting('/v1/auth/refresh');
  const auth = await signedIn({ expired: true, fetch: http.fetch });
  const tokens = await Promise.all([auth.token(), auth.token(), auth.token()]);
  assert.equal(http.calls, 1);
  assert.equal(new Set(tokens).size, 1);
});

test('a device whose clock runs ahead does not renew with every call', async () => {
  const http = counting('/v1/auth/refresh');
  const auth = await signedIn({ expired: true, fetch: http.fetch });
  const { grant } = server.world;
  server.world.grant = function past(user) {
    return { ...grant.call(server.world, user), access_expires_at: '2020-01-01T00:00:00.000Z' };
  };
  for (let calls = 0; calls < 5; calls += 1) await auth.token();
  assert.equal(http.calls, 1);
});

test('a refused refresh ends the session; an unreachable server does not', async () => {
  const auth = await signedIn();
  let ended = 0;
  auth.onEnd = () => { ended += 1; };
  server.faults.refuseHttp = [{ code: 'store_unavailable', retry: 'backoff', status: 503 }];
  await assert.rejects(auth.token({ renew: true }), Refused);
  assert.deepEqual([ended, expires(auth)], [0, true]);
  server.world.tokens.clear();
  await assert.rejects(auth.token({ renew: true }), Refused);
  assert.deepEqual([ended, expires(auth)], [1, false]);
});

test('hello refused for its token: a new one, then welcome', async () => {
  const http = counting('/v1/auth/refresh');
  const auth = await signedIn({ fetch: http.fetch });
  server.faults.refuse = { hello: [{ code: 'token_expired', retry: 'refresh_token' }] };
  start(auth);
  await until(() => client.connection.state.name === 'online', 'welcomed');
  assert.equal(http.calls, 1);
  const tokens = server.received.filter(({ type }) => type === 'hello').map(({ token }) => token);
  assert.equal(new Set(tokens).size, 2);
});

test('hello refused for good: no second try', async () => {
  server.faults.refuse = { hello: [{ code: 'bad_field', retry: 'never' }] };
  start(await signedIn());
  await until(() => client.connection.state.name === 'stopped', 'stopped');
  assert.equal(server.received.length, 1);
});

test('a busy server is asked again by HTTP, a refusal for good is not', async () => {
  const http = counting('/v1/users/%40bob');
  const auth = await signedIn({ fetch: http.fetch });
  const api = new Api({ base: server.url, auth, fetch: http.fetch });
  server.faults.refuseHttp = [{ code: 'overloaded', retry: 'backoff', status: 503, retry_after_ms: 10 }];
  assert.equal((await api.user('@bob')).handle, 'bob');
  assert.equal(http.calls, 2);
  await assert.rejects(api.user('@nobody'), { code: 'no_such_user' });
});

test('a token refused by HTTP is renewed once', async () => {
  const http = counting('/v1/auth/refresh');
  const auth = await signedIn({ fetch: http.fetch });
  const api = new Api({ base: server.url, auth, fetch: http.fetch });
  server.faults.refuseHttp = [{ code: 'token_expired', retry: 'refresh_token', status: 401 }];
  assert.equal((await api.user('@bob')).handle, 'bob');
  assert.equal(http.calls, 1);
});

test('a stale list says so and is read again until it is whole', async () => {
  const auth = await signedIn();
  await new Api({ base: server.url, auth }).createDirect('@bob');
  server.faults.stale = 1;
  start(auth);
  await until(() => client.list.stale, 'it says so');
  assert.equal(client.chats.size, 0);
  await until(() => !client.list.stale && client.chats.size === 1, 'whole');
});
