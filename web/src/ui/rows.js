// @ts-check
/**
 * What stands in a conversation, line by line, from entries and unsent messages: pure, so it is tested without a page.
 * Days part messages; messages of one person within `GROUP_MS` belong together.
 */
import { dayKey } from './format.js';

/** @typedef {import('../client/types.js').Entry} Entry */
/** @typedef {import('../client/types.js').OutboxItem} OutboxItem */
/** @typedef {{kind: 'message', key: string, from: string, own: boolean, text: string, at: string, state: 'sent' | 'sending' | 'failed', error: string | null, clientId: string | null, first: boolean, last: boolean}} MessageRow */
/** @typedef {{kind: 'system', key: string, entry: Entry}} SystemRow */
/** @typedef {{kind: 'day', key: string, at: string} | {kind: 'new', key: string}} MarkRow */
/** @typedef {MessageRow | SystemRow | MarkRow} Row */

export const GROUP_MS = 5 * 60_000;

/**
 * @param {{entries: Entry[], unsent: OutboxItem[], me: string, newAfter: number | null, atStart: boolean}} parts
 *   `newAfter`: read position when the reader came, null for no mark; `atStart`: nothing is before the first entry
 * @returns {Row[]}
 */
export function rowsOf({ entries, unsent, me, newAfter, atStart }) {
  /** @type {Row[]} */
  const rows = [];
  const keys = new Set();
  let day = '';
  let marked = newAfter === null || (!atStart && (entries[0]?.seq ?? 0) > newAfter);
  for (const entry of entries) {
    if (dayKey(entry.event.at) !== day) {
      day = dayKey(entry.event.at);
      rows.push({ kind: 'day', key: `d${day}-${entry.seq}`, at: entry.event.at });
    }
    if (!marked && newAfter !== null && entry.seq > newAfter && entry.event.kind === 'message' && entry.event.from !== me) {
      marked = true;
      rows.push({ kind: 'new', key: 'new' });
    }
    rows.push(entry.event.kind === 'message' ? stored(entry, me, keys) : { kind: 'system', key: `s${entry.seq}`, entry });
  }
  for (const item of unsent) rows.push(waiting(item, me));
  group(rows);
  return rows;
}

/**
 * @param {Entry} entry
 * @param {string} me
 * @param {Set<string>} keys an own message keeps its element when it is stored, so it is known by its `client_id`
 * @returns {MessageRow}
 */
function stored({ seq, event }, me, keys) {
  const own = event.from === me;
  const byClient = own && event.client_id !== undefined && !keys.has(event.client_id);
  if (byClient) keys.add(/** @type {string} */ (event.client_id));
  const text = typeof event.body?.text === 'string' ? event.body.text : '';
  return { kind: 'message', key: byClient ? `c${event.client_id}` : `s${seq}`, from: event.from, own, text, at: event.at, state: 'sent', error: null, clientId: null, first: true, last: true };
}

/** @param {OutboxItem} item @param {string} me @returns {MessageRow} */
function waiting(item, me) {
  const state = item.state === 'failed' ? 'failed' : 'sending';
  return { kind: 'message', key: `c${item.client_id}`, from: me, own: true, text: item.body.text, at: item.at, state, error: item.error, clientId: item.client_id, first: true, last: true };
}

/** @param {Row[]} rows */
function group(rows) {
  for (let at = 1; at < rows.length; at += 1) {
    const [above, below] = [rows[at - 1], rows[at]];
    if (above.kind !== 'message' || below.kind !== 'message' || above.from !== below.from) continue;
    if (Math.abs(Date.parse(below.at) - Date.parse(above.at)) > GROUP_MS) continue;
    above.last = false;
    below.first = false;
  }
}
