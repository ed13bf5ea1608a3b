// The gap rule, sentence by sentence of the protocol's "Gap rule for clients", and a search over orders of arrival.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChatSync, HELD_EVENTS } from '../../src/client/sync.js';

const entry = (seq, prev) => ({ seq, prev, event: { v: 1, kind: 'message', from: 'u', at: '2026-01-01T00:00:00.000Z', body: { text: `m${seq}` } } });
const seqs = (entries) => entries.map(({ seq }) => seq);
const at = (last) => {
  const chat = new ChatSync();
  chat.summary(last, { welcome: true });
  return chat;
};

test('a chat starts at its summary, or at its first event', () => {
  assert.equal(at(7).last, 7);
  const chat = new ChatSync();
  assert.deepEqual(seqs(chat.event(entry(9, 5))), [9]);
  assert.equal(chat.last, 9);
  assert.equal(chat.wantsSync, false);
});

test('events in order pass; what is not newer is dropped', () => {
  const chat = at(10);
  assert.deepEqual(seqs(chat.event(entry(12, 10))), [12]);
  assert.deepEqual(chat.event(entry(12, 10)), []);
  assert.deepEqual(chat.event(entry(11, 10)), []);
  assert.equal(chat.last, 12);
});

test('a smaller prev (older events expired) is no hole', () => {
  const chat = at(10);
  assert.deepEqual(seqs(chat.event(entry(15, 0))), [15]);
});

test('a hole is held and asked for, and shown whole after the sync', () => {
  const chat = at(10);
  assert.deepEqual(chat.event(entry(14, 12)), []);
  assert.equal(chat.wantsSync, true);
  assert.equal(chat.syncStarted(), 10);
  assert.equal(chat.wantsSync, false);
  assert.deepEqual(seqs(chat.synced([entry(12), entry(14)], false)), [12, 14]);
  assert.deepEqual([chat.last, chat.whole], [14, true]);
});

test('a limited sync is asked for again from its end, and nothing held passes before', () => {
  const chat = at(10);
  chat.event(entry(30, 20));
  chat.syncStarted();
  assert.deepEqual(seqs(chat.synced([entry(12), entry(15)], true)), [12, 15]);
  assert.equal(chat.wantsSync, true);
  assert.equal(chat.syncStarted(), 15);
  assert.deepEqual(seqs(chat.synced([entry(20), entry(30)], false)), [20, 30]);
});

test('after a complete sync nothing is missing before what had arrived, whatever prev says', () => {
  const chat = at(10);
  chat.event(entry(14, 13));
  chat.syncStarted();
  assert.deepEqual(seqs(chat.synced([entry(12)], false)), [12, 14]);
});

test('what arrives while the answer is under way is judged anew', () => {
  const chat = at(10);
  chat.event(entry(14, 12));
  chat.syncStarted();
  assert.deepEqual(chat.event(entry(20, 18)), []);
  assert.deepEqual(seqs(chat.synced([entry(12), entry(14)], false)), [12, 14]);
  assert.equal(chat.wantsSync, true);
  assert.equal(chat.syncStarted(), 14);
  assert.deepEqual(seqs(chat.synced([entry(18), entry(20)], false)), [18, 20]);
});

test('an own send does not move last, and its seq as prev is no hole', () => {
  const chat = at(10);
  chat.sendStarted();
  assert.deepEqual(chat.sendEnded(12), []);
  assert.equal(chat.last, 10);
  assert.deepEqual(seqs(chat.event(entry(11, 10))), [11], 'an older one of somebody else');
  assert.deepEqual(seqs(chat.event(entry(13, 12))), [13]);
  assert.equal(chat.wantsSync, false);
});

test('an own event that comes after its sent is given out once', () => {
  const chat = at(10);
  chat.sendStarted();
  chat.sendEnded(12);
  assert.deepEqual(seqs(chat.event(entry(12, 10))), [12]);
  assert.deepEqual(chat.event(entry(12, 10)), []);
});

test('an event beyond last waits while answers to own sends are missing', () => {
  const chat = at(10);
  chat.sendStarted();
  chat.sendStarted();
  assert.deepEqual(chat.event(entry(13, 12)), []);
  assert.deepEqual(chat.event(entry(15, 13)), [], 'later ones wait behind it');
  assert.equal(chat.wantsSync, false);
  assert.deepEqual(seqs(chat.sendEnded(12)), [13, 15]);
  assert.deepEqual(chat.sendEnded(null), []);
});

test('when no own send explains it, it was a hole', () => {
  const chat = at(10);
  chat.sendStarted();
  chat.event(entry(13, 12));
  assert.deepEqual(chat.sendEnded(null), []);
  assert.equal(chat.wantsSync, true);
});

test('held events are bounded; beyond the bound one more sync brings them', () => {
  const chat = at(10);
  chat.event(entry(100, 50));
  chat.syncStarted();
  for (let seq = 101; seq <= 100 + HELD_EVENTS; seq += 1) chat.event(entry(seq, seq - 1));
  assert.deepEqual(seqs(chat.synced([entry(50), entry(100)], false)), [50, 100]);
  assert.equal(chat.wantsSync, true);
  assert.equal(chat.syncStarted(), 100);
  const rest = Array.from({ length: HELD_EVENTS }, (_, n) => entry(101 + n));
  assert.deepEqual(seqs(chat.synced(rest, false)), seqs(rest));
  assert.equal(chat.whole, true);
});

test('welcome with a newer summary: not whole until a complete sync, whatever prev says', () => {
  const chat = at(10);
  chat.disconnected();
  chat.summary(20, { welcome: true });
  assert.deepEqual(chat.event(entry(21, 5)), []);
  assert.equal(chat.wantsSync, true);
  chat.syncStarted();
  assert.deepEqual(seqs(chat.synced([entry(20), entry(21)], false)), [20, 21]);
});

test('a chat frame with a newer summary says nothing: the event may be on its way', () => {
  const chat = at(10);
  chat.summary(12, { welcome: false });
  assert.equal(chat.wantsSync, false);
  assert.deepEqual(seqs(chat.event(entry(12, 10))), [12]);
});

test('resumed:false: kept chats are not whole until a summary at last, or a sync', () => {
  const [same, moved] = [at(10), at(10)];
  for (const chat of [same, moved]) {
    chat.disconnected();
    chat.notResumed();
    assert.equal(chat.wantsSync, true);
  }
  same.summary(10, { welcome: true });
  moved.summary(11, { welcome: true });
  assert.deepEqual([same.wantsSync, moved.wantsSync], [false, true]);
});

test('what was held when the connection ended makes the chat not whole: the token may cover it', () => {
  const chat = at(10);
  chat.sendStarted();
  chat.event(entry(13, 12));
  chat.disconnected();
  assert.equal(chat.wantsSync, true);
});

test('own seqs of an earlier session explain nothing', () => {
  const chat = at(10);
  chat.sendStarted();
  chat.sendEnded(12);
  chat.disconnected();
  assert.deepEqual(chat.event(entry(13, 12)), []);
  assert.equal(chat.wantsSync, true);
});

test('a required sync is not spared by a summary that shows nothing new', () => {
  const chat = at(10);
  chat.requireSync();
  chat.summary(10, { welcome: false });
  assert.equal(chat.wantsSync, true);
});

test('a failed sync is wanted again; giving up ends it', () => {
  const chat = at(10);
  chat.event(entry(14, 12));
  chat.syncStarted();
  chat.syncFailed();
  assert.equal(chat.wantsSync, true);
  chat.giveUp();
  assert.equal(chat.wantsSync, false);
});

/** Deterministic numbers, so a failure can be run again. */
function dice(seed) {
  let state = seed;
  return (below) => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state % below;
  };
}

/**
 * A log, a connection that loses and repeats events but keeps their order, own sends, and reconnects. What was lost
 * right before an own event is brought by the gateway when it sees that event (R2 there): the session gets no event
 * whose `prev` could show it.
 */
function run(seed) {
  const roll = dice(seed);
  const log = [];
  const chat = at(0);
  const shown = [];
  let lost = 0;
  let missing = [];
  const show = (entries) => shown.push(...entries.filter((one) => !one.own).map(({ seq }) => seq));
  const append = (own) => {
    const next = { ...entry((log.at(-1)?.seq ?? 0) + 1 + roll(3), log.at(-1)?.seq ?? 0), own };
    log.push(next);
    return next;
  };
  const sync = () => {
    for (let turns = 0; chat.wantsSync; turns += 1) {
      assert.ok(turns < 1_000, `seed ${seed}: syncs for ever`);
      const run = log.filter(({ seq }) => seq > chat.syncStarted());
      show(chat.synced(run.slice(0, 3), run.length > 3));
    }
  };
  for (let step = 0; step < 60; step += 1) {
    const what = roll(10);
    if (what < 5) {
      missing = [];
      show(chat.event(append(false)));
    }
    else if (what === 5) { missing.push(append(false)); lost += 1; }
    else if (what === 6 && log.length > 0) show(chat.event(log[roll(log.length)]));
    else if (what === 7) {
      chat.sendStarted();
      const own = append(true);
      for (const late of missing) show(chat.event(late));
      missing = [];
      if (roll(2) === 0) show(chat.event(append(false)));
      show(chat.sendEnded(own.seq));
    } else if (what === 8) sync();
    else {
      chat.disconnected();
      chat.summary(log.at(-1)?.seq ?? 0, { welcome: true });
    }
  }
  show(chat.event(append(false)));
  sync();
  const others = log.filter((one) => !one.own).map(({ seq }) => seq);
  return { shown, others, lost };
}

test('whatever is lost or repeated, the end shows every event of others once, in order', () => {
  let losses = 0;
  for (let seed = 1; seed <= 3_000; seed += 1) {
    const { shown, others, lost } = run(seed);
    assert.deepEqual(shown, others, `seed ${seed}`);
    losses += lost;
  }
  assert.ok(losses > 5_000, 'the search did lose events');
});
