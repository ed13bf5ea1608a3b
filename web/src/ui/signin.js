// @ts-check
/** The first page: demo people by one click (where the server offers them), signing in, and making an account. */
import { Refused } from '../client/index.js';
import { avatar } from './avatar.js';
import { h } from './dom.js';
import { explain } from './texts.js';

/** @typedef {import('../client/auth.js').Auth} Auth */

export class SignIn {
  #registering = false;
  #busy = false;

  /** @param {{auth: Auth, notice?: string, done: () => void}} parts */
  constructor({ auth, notice, done }) {
    this.auth = auth;
    this.done = done;
    this.demo = h('div', { class: 'demo', hidden: true });
    this.problem = h('p', { class: 'problem', role: 'alert' }, notice ?? '');
    this.name = field('name', 'Name', { autocomplete: 'name', maxLength: 100 });
    this.handle = field('handle', 'Handle', { autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', maxLength: 32 });
    this.password = field('password', 'Password', { type: 'password', minLength: 8 });
    this.submit = h('button', { type: 'submit', class: 'button' });
    this.swap = h('button', { type: 'button', class: 'link', on: { click: () => this.#swap() } });
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#submit();
    };
    this.form = h('form', { on: { submit } }, this.name.element, this.handle.element, this.password.element, this.problem, this.submit);
    this.element = h('main', { class: 'sign-in' },
      h('div', { class: 'card' },
        h('img', { src: '/icon.svg', alt: '', width: 56, height: 56 }),
        h('h1', {}, 'Tidings'),
        h('p', { class: 'lead' }, 'Sent means it is on disk.'),
        this.demo, this.form, this.swap));
    this.#render();
    void this.#offerDemo();
  }

  #render() {
    this.name.element.hidden = !this.#registering;
    this.name.input.required = this.#registering;
    this.password.input.setAttribute('autocomplete', this.#registering ? 'new-password' : 'current-password');
    this.submit.textContent = this.#registering ? 'Create account' : 'Sign in';
    this.swap.textContent = this.#registering ? 'I have an account' : 'Create an account';
    for (const button of this.element.querySelectorAll('button')) button.disabled = this.#busy;
  }

  #swap() {
    this.#registering = !this.#registering;
    this.problem.textContent = '';
    this.#render();
    (this.#registering ? this.name : this.handle).input.focus();
  }

  async #offerDemo() {
    const answer = await fetch('/v1/dev').then((response) => (response.ok ? response.json() : null)).catch(() => null);
    const people = Array.isArray(answer?.demo) ? answer.demo : [];
    if (people.length === 0) return;
    const buttons = people.map((/** @type {{handle: string, password: string, name: string}} */ person) => {
      const enter = () => void this.#enter(() => this.auth.login(person.handle, person.password));
      return h('button', { type: 'button', class: 'demo-person', on: { click: enter } }, avatar(person.handle, person.name), h('span', {}, `Continue as ${person.name}`));
    });
    this.demo.replaceChildren(...buttons, h('p', { class: 'or' }, h('span', {}, 'or')));
    this.demo.hidden = false;
  }

  async #submit() {
    const handle = this.handle.input.value.trim().replace(/^@/u, '');
    const password = this.password.input.value;
    const name = this.name.input.value.trim();
    await this.#enter(() => (this.#registering ? this.auth.register({ handle, password, name }) : this.auth.login(handle, password)));
  }

  /** @param {() => Promise<void>} call */
  async #enter(call) {
    if (this.#busy) return;
    this.#busy = true;
    this.problem.textContent = '';
    this.#render();
    try {
      await call();
      this.done();
    } catch (error) {
      const wrong = error instanceof Refused && error.status === 401;
      this.problem.textContent = wrong ? 'Handle and password do not match.' : explain(error);
    } finally {
      this.#busy = false;
      this.#render();
    }
  }
}

/** @param {string} name @param {string} label @param {Record<string, any>} props */
function field(name, label, props) {
  const input = h('input', { name, id: `sign-${name}`, required: true, ...props });
  return { input, element: h('div', { class: 'labelled' }, h('label', { for: `sign-${name}` }, label), input) };
}
