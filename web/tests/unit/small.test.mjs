// The small pure parts: frames, codes, waits, ids, counts, timelines, rows and times.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fullJitter, LONGEST_WAIT_MS } from '../../src/client/backoff.js';
import { closeVerdict } from '../../src/client/codes.js';
import { decodeFrame } from '../../src/client/frames.js';
import { uuidv4, uuidv7 } from '../../src/client/ids.js';
import { Outbox, OUTBOX_ITEMS, OutboxFull } from '../../src/client/outbox.js';
import { Storage } from '../../src/client/storage.js';
import { KEPT_ENTRIES, Timeline } from '../../src/client/timeline.js';
import { Unread } from '../../src/client/unread.js';
import { dayLabel, relative } from '../../src/ui/format.js';
import { rowsOf } from '../../src/ui/rows.js';

const entry = (seq, from = 'bob', at = `2026-03-01T10:00:${String(seq % 60).padStart(2, '0')}.000Z`) => ({ seq, event: { v: 1, kind: 'message', from, at, body: { text: `m${seq}` } } });
const item = (clientId, over = {}) => ({ client_id: clientId, chat: 'c', body: { text: clientId }, at: '2026-03-01T10:00:00.000Z', after_seq: null, unknown: false, state: 'queued', error: null, ...over });

test('a frame holds one object or several; a bad line costs only itself', () => {
  const bad = [];
  assert.deepEqual(decodeFrame('{"a":1}\n\n{"b":2}\nnot json\n[1]\n{"c":3}\n', (line) => bad.push(line)), [{ a: 1 }, { b: 2 }, { c: 3 }]);
  assert.deepEqual(bad, ['not json', '[1]']);
});

test('the range of a close code decides', () => {
  const verdicts = [4000, 4099, 4100, 4101, 4199, 4200, 4299, 4300, 4399, 4400, 1000, 1001, 1006, 1012, 1013].map(closeVerdict);
  assert.deepEqual(verdicts, ['now', 'now', 'backoff', 'backoff', 'backoff', 'token', 'token', 'stop', 'stop', 'backoff', 'backoff', 'backoff', 'backoff', 'backoff', 'backoff']);
});

test('full jitter: from nothing to a bound that doubles from 0.5 to 20 s', () => {
  const bounds = [0, 1, 2, 5, 6, 60].map((attempt) => fullJitter(attempt, () => 1));
  assert.deepEqual(bounds, [500, 1_000, 2_000, 16_000, LONGEST_WAIT_MS, LONGEST_WAIT_MS]);
  assert.equal(fullJitter(5, () => 0), 0);
});

test('client ids are UUIDv7 in order of time, devices UUIDv4', () => {
  assert.match(uuidv7(), /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.match(uuidv4(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(uuidv7(0x0123456789ab).slice(0, 13), '01234567-89ab');
  assert.ok(uuidv7(1_000) < uuidv7(2_000));
});

test('unread: the server counts up to its newest, the client what comes after', () => {
  const unread = new Unread();
  unread.summary({ unread: 3, read_seq: 10, newest: { seq: 20 } });
  unread.message(18, false);
  unread.message(22, false);
  unread.message(22, false);
  assert.equal(unread.count, 4);
  unread.summary({ unread: 1, read_seq: 10, newest: { seq: 15 } });
  assert.equal(unread.count, 4, 'an older summary changes nothing');
  unread.read(20);
  assert.equal(unread.count, 1);
  unread.message(30, true);
  assert.equal(unread.count, 0, 'a send is a read');
  unread.summary({ unread: 2, read_seq: 12, newest: { seq: 30 } });
  assert.equal(unread.count, 0, 'a summary made before the own read was told');
});

test('a timeline holds each entry once, in order, whatever order they come in', () => {
  const timeline = new Timeline();
  timeline.insert([entry(5), entry(3), entry(9)]);
  timeline.insert([entry(4), entry(5)]);
  timeline.prepend([entry(1), entry(2), entry(3)], false);
  assert.deepEqual(timeline.entries.map(({ seq }) => seq), [1, 2, 3, 4, 5, 9]);
  assert.equal(timeline.older, false);
  timeline.insert(Array.from({ length: KEPT_ENTRIES }, (_, at) => entry(10 + at)));
  timeline.trim();
  assert.deepEqual([timeline.entries.length, timeline.older, timeline.first], [KEPT_ENTRIES, true, 10]);
});

test('the outbox outlives its page; what was in flight is unknown', () => {
  const kept = new Map();
  const raw = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) };
  const outbox = new Outbox(new Storage(raw), 'o');
  outbox.add(item('a', { state: 'inflight', unknown: true, after_seq: 4 }));
  outbox.add(item('b'));
  const again = new Outbox(new Storage(raw), 'o');
  assert.deepEqual(again.ofChat('c').map(({ client_id, state, unknown }) => [client_id, state, unknown]), [['a', 'queued', true], ['b', 'queued', false]]);
  again.provenAbsent('c', 9);
  assert.deepEqual(again.ofChat('c').map((one) => one.after_seq), [9, null]);
  again.remove('a');
  again.remove('b');
  assert.equal(kept.size, 0, 'an empty outbox leaves nothing behind');
});

test('the outbox is bounded, survives damage, and a full storage is told once a message is at risk', () => {
  const full = { getItem: () => '{"not":"a list"}', setItem: () => { throw new Error('quota'); }, removeItem: () => {} };
  let told = 0;
  const outbox = new Outbox(new Storage(full, () => { told += 1; }), 'o');
  for (let at = 0; at < OUTBOX_ITEMS; at += 1) outbox.add(item(String(at)));
  assert.throws(() => outbox.add(item('one too many')), OutboxFull);
  assert.equal(told, OUTBOX_ITEMS);
  assert.equal(outbox.size, OUTBOX_ITEMS);
});

test('rows: days part, neighbours of one person belong together, new ones are marked, unsent ones follow', () => {
  const entries = [entry(1, 'bob', '2026-03-01T10:00:00.000Z'), entry(2, 'bob', '2026-03-01T10:01:00.000Z'), entry(3, 'bob', '2026-03-01T10:20:00.000Z'), entry(4, 'me', '2026-03-03T10:00:00.000Z')];
  const rows = rowsOf({ entries, unsent: [item('x'), item('y', { state: 'failed', error: 'not_member' })], me: 'me', newAfter: 2, atStart: true });
  const told = rows.map((row) => (row.kind === 'message' ? `${row.text}${row.first ? '<' : ''}${row.last ? '>' : ''} ${row.state}` : row.kind));
  assert.deepEqual(told, ['day', 'm1< sent', 'm2> sent', 'new', 'm3<> sent', 'day', 'm4<> sent', 'x<> sending', 'y failed'].map((line, at) => (at === 7 ? 'x< sending' : at === 8 ? 'y> failed' : line)));
  assert.equal(new Set(rows.map(({ key }) => key)).size, rows.length);
});

test('rows: an own message keeps its key when it is stored, and a second of that name is not hidden', () => {
  const own = (seq) => ({ ...entry(seq, 'me'), event: { ...entry(seq, 'me').event, client_id: 'x' } });
  const before = rowsOf({ entries: [], unsent: [item('x')], me: 'me', newAfter: null, atStart: true });
  const after = rowsOf({ entries: [own(7), own(8)], unsent: [], me: 'me', newAfter: null, atStart: true });
  assert.equal(before[0].key, 'cx');
  assert.deepEqual(after.filter(({ kind }) => kind === 'message').map(({ key }) => key), ['cx', 's8']);
});

test('rows: no mark when the first new message is on a page that is not here', () => {
  const rows = rowsOf({ entries: [entry(50)], unsent: [], me: 'me', newAfter: 10, atStart: false });
  assert.equal(rows.some(({ kind }) => kind === 'new'), false);
});

test('times are short in lists and days have names', () => {
  const now = new Date(2026, 5, 15, 12, 0);
  const ago = (ms) => new Date(now.getTime() - ms).toISOString();
  assert.equal(relative(ago(20_000), now), 'now');
  assert.equal(relative(ago(5 * 60_000), now), '5 min');
  assert.equal(relative(ago(24 * 3_600_000), now), 'Yesterday');
  assert.equal(dayLabel(ago(1_000), now), 'Today');
  assert.equal(dayLabel(ago(24 * 3_600_000), now), 'Yesterday');
});
