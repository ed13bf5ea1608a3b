// @ts-check
/** The element of one row of a conversation. An element is made anew when its row's `signature` changes. */
import { avatar, hueClass } from './avatar.js';
import { h, icon } from './dom.js';
import { clock, dayLabel, full } from './format.js';
import { refusalText, systemLine, userName } from './texts.js';

/** @typedef {import('./rows.js').Row} Row */
/** @typedef {import('./rows.js').MessageRow} MessageRow */
/** @typedef {import('../client/client.js').Client} Client */
/** @typedef {{client: Client, group: boolean, now: Date, retry: (clientId: string) => void, discard: (clientId: string) => void}} Context */

const LINK = /https?:\/\/[^\s<>"]+[^\s<>"'.,;:!?)\]}]/gu;
const ONLY_EMOJI = /^(\p{Extended_Pictographic}|\p{Emoji_Component}|\s){1,12}$/u;

/** @param {Row} row @param {Context} context */
export function signature(row, context) {
  switch (row.kind) {
    case 'day': return dayLabel(row.at, context.now);
    case 'new': return '';
    case 'system': return systemLine(context.client, row.entry.event);
    default: return [row.text, row.at, row.state, row.error, row.first, row.last, context.group, userName(context.client, row.from)].join('\n');
  }
}

/** @param {Row} row @param {Context} context @returns {HTMLElement} */
export function rowElement(row, context) {
  switch (row.kind) {
    case 'day': return h('li', { class: 'mark-day' }, h('span', {}, dayLabel(row.at, context.now)));
    case 'new': return h('li', { class: 'mark-new' }, h('span', {}, 'New messages'));
    case 'system': return h('li', { class: 'system', title: full(row.entry.event.at) }, h('span', {}, systemLine(context.client, row.entry.event)));
    default: return messageElement(row, context);
  }
}

/** @param {MessageRow} row @param {Context} context */
function messageElement(row, context) {
  const { client, group } = context;
  const withFace = group && !row.own;
  const name = userName(client, row.from);
  const classes = ['message', row.own ? 'own' : 'other', row.first && 'first', row.last && 'last', `is-${row.state}`, withFace && 'with-face'];
  const bubble = h('div', { class: isEmoji(row.text) ? 'bubble only-emoji' : 'bubble' },
    withFace && row.first && h('div', { class: `sender ${hueClass(row.from)}` }, name),
    !(withFace && row.first) && h('span', { class: 'unseen' }, row.own ? 'You: ' : `${name}: `),
    h('span', { class: 'text' }, ...linked(row.text)),
    meta(row),
  );
  return h('li', { class: classes.filter(Boolean).join(' '), 'data-state': row.own ? row.state : null },
    withFace && h('div', { class: 'face' }, row.last && avatar(row.from, name, { small: true })),
    h('div', { class: 'column' }, bubble, row.state === 'failed' && failure(row, context)),
  );
}

/** @param {string} text */
const isEmoji = (text) => ONLY_EMOJI.test(text) && /\p{Extended_Pictographic}/u.test(text);

/** @param {MessageRow} row */
function meta(row) {
  const label = { sent: 'Sent', sending: 'Sending', failed: 'Not sent' }[row.state];
  const sign = { sent: 'check', sending: 'clock', failed: 'alert' }[row.state];
  return h('span', { class: 'meta' },
    h('time', { datetime: row.at, title: full(row.at) }, clock(row.at)),
    row.own && h('span', { class: 'state', role: 'img', 'aria-label': label, title: row.state === 'sent' ? 'Sent: on the server’s disk' : label }, icon(/** @type {any} */ (sign))),
  );
}

/** @param {MessageRow} row @param {Context} context */
function failure({ error, clientId }, { retry, discard }) {
  const id = clientId ?? '';
  return h('div', { class: 'failure', role: 'alert' },
    h('span', {}, `Not sent. ${refusalText(error ?? '') ?? ''}`),
    error !== 'conflict' && h('button', { type: 'button', class: 'link', on: { click: () => retry(id) } }, 'Try again'),
    h('button', { type: 'button', class: 'link', on: { click: () => discard(id) } }, 'Delete'),
  );
}

/** Text with its web addresses as links; only http and https become one. @param {string} text @returns {(string | Node)[]} */
function linked(text) {
  /** @type {(string | Node)[]} */
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    if (!URL.canParse(match[0])) continue;
    parts.push(text.slice(from, match.index), h('a', { href: match[0], target: '_blank', rel: 'noopener noreferrer nofollow' }, match[0]));
    from = match.index + match[0].length;
  }
  return [...parts, text.slice(from)];
}
