// @ts-check
/**
 * Which device this tab is. Every tab that is open is a device of its own, because an outbox has one writer: the tab
 * holds a lock on its device's name. A device whose lock is free (its tab is gone) is taken over with its unsent
 * messages, so closing a tab loses nothing. A copied tab finds the lock taken and becomes a new device.
 * Without the lock interface (pages over plain HTTP) a tab keeps the device of its own session only.
 */
import { uuidv4 } from './ids.js';

/** @param {string} user @param {string} device */
export const outboxKey = (user, device) => `tidings.outbox.${user}.${device}`;

/**
 * @param {string} name
 * @param {LockManager | undefined} locks
 * @returns {Promise<(() => void) | null>} a function that lets go, or null when another tab holds it
 */
async function hold(name, locks) {
  if (!locks) return () => {};
  return new Promise((resolve) => {
    const work = locks.request(name, { ifAvailable: true }, (lock) => {
      if (!lock) {
        resolve(null);
        return undefined;
      }
      return new Promise((letGo) => resolve(() => letGo(undefined)));
    });
    work.catch(() => resolve(null));
  });
}

/**
 * @param {{user: string, local: import('./storage.js').Storage, session: import('./storage.js').Storage, locks?: LockManager}} parts
 * @returns {Promise<{device: string, release: () => void}>}
 */
export async function claimDevice({ user, local, session, locks }) {
  const own = session.read('tidings.device');
  const prefix = outboxKey(user, '');
  const left = locks ? local.keys(prefix).map((key) => key.slice(prefix.length)) : [];
  const candidates = [...(typeof own === 'string' ? [own] : []), ...left, uuidv4()];
  for (const device of candidates) {
    const release = await hold(`tidings.device.${device}`, locks);
    if (release === null) continue;
    session.write('tidings.device', device);
    return { device, release };
  }
  throw new Error('a new device id cannot be taken');
}
