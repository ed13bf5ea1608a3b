// @ts-check
/** What people read: refusals in plain words, system lines, names of chats. */
import { OutboxFull, Refused } from '../client/index.js';

/** @typedef {import('../client/client.js').Client} Client */
/** @typedef {import('../client/chat.js').Chat} Chat */
/** @typedef {import('../client/types.js').ChatEvent} ChatEvent */

/** @type {Record<string, string>} */
const REFUSALS = {
  not_member: 'You are not a member of this chat.',
  no_such_chat: 'This chat does not exist.',
  no_such_user: 'Nobody has that handle.',
  not_allowed: 'Your role does not allow that.',
  already: 'That handle is taken.',
  too_large: 'That is too long.',
  conflict: 'Another message was sent in its place.',
  rate_limited: 'Too many requests. Try again in a moment.',
  overloaded: 'The server is busy. Try again in a moment.',
  log_unavailable: 'The server cannot store messages at this moment.',
  store_unavailable: 'The server cannot read its store at this moment.',
  unauthenticated: 'Please sign in again.',
};

/** @param {unknown} error */
export function explain(error) {
  if (error instanceof OutboxFull) return 'Too many messages are waiting to be sent.';
  if (!(error instanceof Refused)) return 'The server cannot be reached.';
  return refusalText(error.code) ?? (error.message || 'That did not work.');
}

/** @param {string} code @returns {string | undefined} */
export const refusalText = (code) => REFUSALS[code];

/** @param {Client} client @param {string | null | undefined} id */
export const userName = (client, id) => client.users.get(id)?.name ?? '…';

/** @param {Client} client @param {Chat} chat */
export function chatTitle(client, chat) {
  const { kind, title, with: other } = chat.summary;
  if (kind === 'group') return title || 'Untitled group';
  return other === client.me.id ? `${client.me.name} (you)` : userName(client, other);
}

/** @param {Client} client @param {ChatEvent} event */
export function systemLine(client, { kind, from, body }) {
  const me = client.me.id;
  const who = from === me ? 'You' : userName(client, from);
  const whom = body?.user === me ? 'you' : userName(client, body?.user);
  switch (kind) {
    case 'created': return body.kind === 'group' ? `${who} created “${body.title ?? ''}”` : `${who} started this chat`;
    case 'member_added': return body.user === from ? `${who} joined` : `${who} added ${whom}`;
    case 'member_removed': return `${who} removed ${whom}`;
    case 'member_left': return `${who} left`;
    case 'role_changed': return `${who} made ${whom} ${roleText(body.role)}`;
    case 'renamed': return `${who} renamed the group to “${body.title}”`;
    case 'unreadable': return 'This entry cannot be read';
    default: return 'Something happened that this page does not know yet';
  }
}

/** @param {string} role */
const roleText = (role) => (role === 'member' ? 'a member' : role === 'admin' ? 'an admin' : 'an owner');

/** @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
