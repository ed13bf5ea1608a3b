// @ts-check
/**
 * Which device this tab is. Every tab that is open is a device of its own, because an outbox has one writer: the tab
 * holds a lock on its device's name. What a device left unsent whose lock is free (its tab is gone) is taken over by the
 * next tab of the same user, so closing a tab loses nothing. A copied tab finds the lock of its device taken: it is
 * `copied`, and must not use the tokens it came with, because a refresh token used by two ends the session of both.
 * Without the lock interface (pages over plain HTTP) a tab keeps the device of its own session only, and a copy is not seen.
 */
import { uuidv4 } from './ids.js';

/** @typedef {import('./storage.js').Storage} Storage */

/** @param {string} user @param {string} device */
export const outboxKey = (user, device) => `tidings.outbox.${user}.${device}`;

/** How long the own device's lock is waited for: a page that is being left by a reload may still hold it. */
const RELOAD_MS = 1_500;
/** Another device's lock is free at once, or its tab lives. */
const OTHER_MS = 100;

/**
 * @param {string} device
 * @param {LockManager | undefined} locks
 * @param {number} waitMs
 * @returns {Promise<(() => void) | null>} a function that lets go, or null when another tab holds it
 */
async function hold(device, locks, waitMs) {
  if (!locks) return () => {};
  return new Promise((resolve) => {
    const held = () => new Promise((letGo) => resolve(() => letGo(undefined)));
    locks.request(`tidings.device.${device}`, { signal: AbortSignal.timeout(waitMs) }, held).catch(() => resolve(null));
  });
}

/**
 * @param {{user: string, local: Storage, session: Storage, locks?: LockManager}} parts
 * @returns {Promise<{device: string, copied: boolean, release: () => void}>}
 */
export async function claimDevice({ user, local, session, locks }) {
  const kept = session.read('tidings.device');
  const own = typeof kept === 'string' ? kept : null;
  const held = own === null ? null : await hold(own, locks, RELOAD_MS);
  if (own !== null && held !== null) {
    await takeOver({ user, device: own, local, locks });
    return { device: own, copied: false, release: held };
  }
  const device = uuidv4();
  const release = (await hold(device, locks, OTHER_MS)) ?? (() => {});
  session.write('tidings.device', device);
  if (own === null) await takeOver({ user, device, local, locks });
  return { device, copied: own !== null, release };
}

/**
 * Moves what other devices of this user left behind into the outbox of this one. Each message keeps its name and its
 * place, so moving changes nothing about what may have been stored already.
 * @param {{user: string, device: string, local: Storage, locks?: LockManager}} parts
 */
async function takeOver({ user, device, local, locks }) {
  if (!locks) return;
  const prefix = outboxKey(user, '');
  const own = outboxKey(user, device);
  for (const key of local.keys(prefix).filter((candidate) => candidate !== own)) {
    const release = await hold(key.slice(prefix.length), locks, OTHER_MS);
    if (release === null) continue;
    const [left, mine] = [local.read(key), local.read(own)];
    if (Array.isArray(left)) local.write(own, [...left, ...(Array.isArray(mine) ? mine : [])]);
    local.remove(key);
    release();
  }
}
