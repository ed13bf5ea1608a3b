// Which device a tab is, and who takes over what a closed tab left.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimDevice, outboxKey } from '../../src/client/device.js';
import { Storage } from '../../src/client/storage.js';

/** The lock manager of a browser, for exclusive locks. */
class Locks {
  #held = new Set();
  async request(name, { signal }, work) {
    while (this.#held.has(name)) {
      if (signal.aborted) throw signal.reason;
      await new Promise((next) => setTimeout(next, 5));
    }
    this.#held.add(name);
    try {
      return await work();
    } finally {
      this.#held.delete(name);
    }
  }
}

class Shelf {
  getItem(key) { return this[key] ?? null; }
  setItem(key, value) { this[key] = value; }
  removeItem(key) { delete this[key]; }
}

const left = (id) => ({ client_id: id, chat: 'c', body: { text: id }, at: '', after_seq: 3, unknown: true, state: 'queued', error: null });
const names = (local, device) => (local.read(outboxKey('u', device)) ?? []).map(({ client_id: id }) => id);

test('a reload is the same device; a copied tab is another one and says so', async () => {
  const [locks, local, session] = [new Locks(), new Storage(new Shelf()), new Storage(new Shelf())];
  const first = await claimDevice({ user: 'u', local, session, locks });
  const copy = new Storage(new Shelf());
  copy.write('tidings.device', first.device);
  const second = await claimDevice({ user: 'u', local, session: copy, locks });
  assert.deepEqual([first.copied, second.copied, second.device === first.device], [false, true, false]);
  first.release();
  const again = await claimDevice({ user: 'u', local, session, locks });
  assert.deepEqual([again.copied, again.device], [false, first.device]);
});

test('what closed tabs left is taken over once; what belongs to a living tab or another user is not', async () => {
  const [locks, local] = [new Locks(), new Storage(new Shelf())];
  const living = await claimDevice({ user: 'u', local, session: new Storage(new Shelf()), locks });
  local.write(outboxKey('u', living.device), [left('living')]);
  local.write(outboxKey('u', 'gone 1'), [left('a'), left('b')]);
  local.write(outboxKey('u', 'gone 2'), [left('c')]);
  local.write(outboxKey('other', 'gone 3'), [left('not mine')]);
  const next = await claimDevice({ user: 'u', local, session: new Storage(new Shelf()), locks });
  assert.deepEqual(names(local, next.device).sort(), ['a', 'b', 'c']);
  assert.deepEqual(names(local, living.device), ['living']);
  assert.equal(local.read(outboxKey('u', 'gone 1')), undefined);
  assert.equal(local.read(outboxKey('other', 'gone 3')).length, 1);
});

test('without locks a tab keeps its own device and takes over nothing', async () => {
  const [local, session] = [new Storage(new Shelf()), new Storage(new Shelf())];
  local.write(outboxKey('u', 'gone'), [left('a')]);
  const first = await claimDevice({ user: 'u', local, session });
  const again = await claimDevice({ user: 'u', local, session });
  assert.equal(first.device, again.device);
  assert.deepEqual(names(local, 'gone'), ['a']);
});
