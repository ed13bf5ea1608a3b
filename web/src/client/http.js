// @ts-check
import { Refused, Unanswered } from './codes.js';

/** How long one call may take. */
export const HTTP_TIMEOUT_MS = 15_000;

/**
 * One HTTP call. Refusals become `Refused` with the code of the problem document, no answer becomes `Unanswered`.
 * @param {string} base address of the server, without a slash at the end; empty for the page's own
 * @param {string} method
 * @param {string} path
 * @param {{body?: any, token?: string, fetch?: typeof fetch}} [options]
 * @returns {Promise<any>}
 */
export async function call(base, method, path, { body, token, fetch: send = fetch } = {}) {
  /** @type {Record<string, string>} */
  const headers = { accept: 'application/json' };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  let response;
  try {
    response = await send(`${base}${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(HTTP_TIMEOUT_MS),
      cache: 'no-store',
    });
  } catch {
    throw new Unanswered('the server did not answer');
  }
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  throw new Refused({
    code: answer?.code ?? `http_${response.status}`,
    message: answer?.detail ?? answer?.title ?? response.statusText,
    retry: answer?.retry ?? (response.status >= 500 || response.status === 429 ? 'backoff' : 'never'),
    retry_after_ms: answer?.retry_after_ms ?? null,
    status: response.status,
  });
}
