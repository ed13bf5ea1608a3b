// What the page's tests are told with: people, their windows, and a hand on their connections.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { DESKTOP } from './browser.mjs';
import { uuidv7 } from '../src/client/ids.js';

const PASSWORD = 'correct horse battery';
/** How long a condition may take to come true. */
export const PATIENCE_MS = 15_000;

/** Waits until `check` returns something true; says what was last seen when it does not. */
export async function until(check, what) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) assert.fail(`waited in vain: ${typeof what === 'function' ? what() : what}`);
    await new Promise((next) => setTimeout(next, 40));
  }
}

/** One HTTP call of a test; refusals fail it. */
export async function api(url, method, path, { token, body } = {}) {
  const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const response = await fetch(`${url}${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return response.json().catch(() => null);
}

/** A new account that no other test knows. */
export async function person(url, name) {
  const handle = `${name.toLowerCase().replace(/[^a-z]/g, '')}${randomBytes(4).toString('hex')}`;
  const grant = await api(url, 'POST', '/v1/auth/register', { body: { handle, password: PASSWORD, name } });
  return { url, name, handle, id: grant.user.id, token: grant.access };
}

export const direct = (from, to) => api(from.url, 'POST', '/v1/chats', { token: from.token, body: { kind: 'direct', with: to.id } });

export const group = (from, title, members) =>
  api(from.url, 'POST', '/v1/chats', { token: from.token, body: { kind: 'group', client_id: uuidv7(), title, members: members.map(({ id }) => id) } });

export const say = (from, chat, text) =>
  api(from.url, 'PUT', `/v1/chats/${chat.id}/messages/${uuidv7()}`, { token: from.token, body: { body: { text } } });

/** A hand on the sockets of one window. */
export class Line {
  down = false;
  /** Answers of this type are lost on their way to the page. */
  lose = null;
  #open = new Set();

  attach(context) {
    return context.routeWebSocket(/\/v1\/ws/, (page) => {
      if (this.down) return page.close({ code: 1013 });
      const server = page.connectToServer();
      this.#open.add(page);
      page.onMessage((data) => server.send(data));
      server.onMessage((data) => this.#pass(page, data));
      return undefined;
    });
  }

  #pass(page, data) {
    const kept = String(data).split('\n').filter((line) => this.lose === null || !line.includes(`"type":"${this.lose}"`));
    if (kept.length > 0) page.send(kept.join('\n'));
  }

  /** Ends the sockets, as if the network were gone until `mend`. */
  async cut() {
    this.down = true;
    for (const page of this.#open) await page.close({ code: 1013 });
    this.#open.clear();
  }

  mend() {
    this.down = false;
    this.lose = null;
  }
}

/** Windows of one browser; whatever goes wrong inside one is kept in `problems`. */
export class Windows {
  problems = [];
  #contexts = [];

  constructor(browser, url) {
    this.browser = browser;
    this.url = url;
  }

  async open({ viewport = DESKTOP, dark = false, line = null } = {}) {
    const context = await this.browser.newContext({ viewport, colorScheme: dark ? 'dark' : 'light', locale: 'en-GB', hasTouch: viewport.width < 720 });
    context.setDefaultTimeout(PATIENCE_MS);
    this.#contexts.push(context);
    if (line) await line.attach(context);
    const page = await context.newPage();
    page.on('pageerror', (error) => this.problems.push(`error: ${error.message}`));
    page.on('dialog', (dialog) => {
      this.problems.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('console', (message) => {
      const text = message.text();
      if (message.type() === 'error' && /Content Security Policy|failed|Uncaught/i.test(text) && !/WebSocket|status of 4/i.test(text)) this.problems.push(text);
    });
    await page.goto(this.url);
    return page;
  }

  /** A window with somebody signed in. */
  async of(someone, options) {
    return this.signIn(await this.open(options), someone);
  }

  async signIn(page, someone) {
    await page.getByLabel('Handle').fill(someone.handle);
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('heading', { name: someone.name, level: 1 }).waitFor();
    return page;
  }

  async close() {
    for (const context of this.#contexts) await context.close();
    this.#contexts = [];
  }
}

export const message = (page, text) => page.locator('.message', { hasText: text });
export const line = (page, title) => page.getByRole('navigation').locator('.chat-line', { hasText: title });
export const field = (page) => page.getByRole('textbox', { name: 'Message' });
export const texts = (page) => page.locator('.message .text').allTextContents();

export async function write(page, text) {
  await field(page).fill(text);
  await field(page).press('Enter');
}

/** The last own message with this text has this state. */
export async function state(page, text, wanted) {
  const of = () => message(page, text).last().getAttribute('data-state').catch(() => null);
  await until(async () => (await of()) === wanted, `message "${text}" is ${wanted}`);
}

export async function enter(page, title) {
  await line(page, title).click();
  await page.getByRole('heading', { name: title, level: 2 }).waitFor();
}

/** Scrolls up to where more is loaded; the line in view must not move when it comes in above. */
export async function backUp(page, thread, known) {
  const before = await known();
  const place = await thread.evaluate((box) => {
    box.scrollTop = 300;
    const rows = [...box.querySelectorAll('.message')];
    const row = rows.find((candidate) => candidate.getBoundingClientRect().top > box.getBoundingClientRect().top);
    return { text: row.querySelector('.text').textContent, top: row.getBoundingClientRect().top };
  });
  await until(async () => (await known()) > before || (await page.locator('.system').count()) > 0, 'an older page');
  const top = await message(page, place.text).first().evaluate((row) => row.getBoundingClientRect().top);
  assert.ok(Math.abs(top - place.top) <= 2, `the view moved by ${top - place.top} px`);
}
