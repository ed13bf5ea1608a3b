// @ts-check

/** Upper bound of the first wait; it doubles with each attempt. */
export const FIRST_WAIT_MS = 500;
export const LONGEST_WAIT_MS = 20_000;

/**
 * Full jitter: anything between nothing and the bound, so that many clients that lost one server do not return together.
 * @param {number} attempt 0 for the first
 * @param {() => number} [random] in [0, 1)
 * @returns {number} milliseconds
 */
export function fullJitter(attempt, random = Math.random) {
  const bound = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 10));
  return Math.round(random() * bound);
}
