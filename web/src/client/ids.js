// @ts-check

/** @param {Uint8Array} bytes 16 of them */
function format(bytes) {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** @param {Uint8Array} bytes @param {number} version */
function stamp(bytes, version) {
  bytes[6] = (bytes[6] & 0x0f) | (version << 4);
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return format(bytes);
}

/**
 * A UUIDv7: what a `client_id` has to be. Made of `getRandomValues`, because `randomUUID` is missing on pages that come over plain HTTP.
 * @param {number} [nowMs] milliseconds since 1970; nothing is decided by it
 */
export function uuidv7(nowMs = Date.now()) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let rest = nowMs;
  for (let at = 5; at >= 0; at -= 1) {
    bytes[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return stamp(bytes, 7);
}

/** A random UUIDv4, for device ids. */
export function uuidv4() {
  return stamp(crypto.getRandomValues(new Uint8Array(16)), 4);
}
