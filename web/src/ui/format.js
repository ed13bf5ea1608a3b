// @ts-check
/** Times as people read them, in the browser's language and zone. Pure: `now` is given. */

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const weekdayFormat = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const dayFormat = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const longDayFormat = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const yearFormat = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
const fullFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

const DAY_MS = 86_400_000;

/** @param {Date} date */
const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());

/** Calendar days between, whatever the clock changes between them. @param {Date} date @param {Date} now */
const daysAgo = (date, now) => Math.round((midnight(now).getTime() - midnight(date).getTime()) / DAY_MS);

/** @param {string} at */
export const clock = (at) => clockFormat.format(new Date(at));

/** @param {string} at */
export const full = (at) => fullFormat.format(new Date(at));

/** The day alone, as a key. @param {string} at */
export function dayKey(at) {
  const date = new Date(at);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}

/** @param {string} at @param {Date} now */
export function dayLabel(at, now) {
  const date = new Date(at);
  const ago = daysAgo(date, now);
  if (ago === 0) return 'Today';
  if (ago === 1) return 'Yesterday';
  return date.getFullYear() === now.getFullYear() ? longDayFormat.format(date) : yearFormat.format(date);
}

/** Short, for lists. @param {string} at @param {Date} now */
export function relative(at, now) {
  const date = new Date(at);
  const minutes = Math.floor((now.getTime() - date.getTime()) / 60_000);
  if (minutes < 1) return 'now';
  if (minutes < 60) return `${minutes} min`;
  const ago = daysAgo(date, now);
  if (ago === 0) return clockFormat.format(date);
  if (ago === 1) return 'Yesterday';
  if (ago < 7) return weekdayFormat.format(date);
  return date.getFullYear() === now.getFullYear() ? dayFormat.format(date) : yearFormat.format(date);
}
