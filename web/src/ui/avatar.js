// @ts-check
import { h, icon } from './dom.js';

const HUES = 8;

/** The colour of somebody or something: its class. @param {string} text an id */
export function hueClass(text) {
  let hash = 7;
  for (const char of text) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return `hue-${hash % HUES}`;
}

/** @param {string} name */
function initials(name) {
  const words = name.trim().split(/\s+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = words.map((word) => [...word.replace(/^[^\p{L}\p{N}]+/u, '')][0] ?? '');
  return ((letters[0] ?? '') + (words.length > 1 ? letters.at(-1) : '')).toUpperCase();
}

/**
 * A coloured disc with initials. The same seed has the same colour everywhere.
 * @param {string} seed id of the user or chat
 * @param {string} name
 * @param {{group?: boolean, small?: boolean}} [look]
 */
export function avatar(seed, name, { group = false, small = false } = {}) {
  const letters = name === '…' ? '' : initials(name);
  const classes = ['avatar', hueClass(seed), group && 'avatar-group', small && 'avatar-small'].filter(Boolean).join(' ');
  return h('span', { class: classes, 'aria-hidden': 'true' }, letters === '' ? icon('people') : letters);
}
