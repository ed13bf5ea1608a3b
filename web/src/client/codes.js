// @ts-check
/**
 * What a refusal or a close tells the client to do. Only the `retry` word and the range of a close code decide, so
 * codes that are new to this client still work.
 */

/** @typedef {'never' | 'now' | 'backoff' | 'after_sync' | 'refresh_token'} Retry */
/** @typedef {'now' | 'backoff' | 'token' | 'stop'} CloseVerdict */

/** The server (socket or HTTP) refused: `code` and `retry` as in the protocol. */
export class Refused extends Error {
  /** @param {{code: string, message?: string, retry?: Retry, retry_after_ms?: number | null, status?: number}} refusal */
  constructor(refusal) {
    super(refusal.message ?? refusal.code);
    this.name = 'Refused';
    this.code = refusal.code;
    /** @type {Retry} */
    this.retry = refusal.retry ?? 'backoff';
    this.retryAfterMs = refusal.retry_after_ms ?? null;
    this.status = refusal.status ?? 0;
  }
}

/** The connection ended, or no answer came in time: the outcome is not known. */
export class Unanswered extends Error {
  /** @param {string} reason @param {{silent?: boolean}} [how] `silent`: the connection still stands but gave no answer */
  constructor(reason, { silent = false } = {}) {
    super(reason);
    this.name = 'Unanswered';
    this.silent = silent;
  }
}

/**
 * @param {number} code of the WebSocket close
 * @returns {CloseVerdict}
 */
export function closeVerdict(code) {
  if (code >= 4000 && code < 4100) return 'now';
  if (code >= 4200 && code < 4300) return 'token';
  if (code >= 4300 && code < 4400) return 'stop';
  return 'backoff';
}
