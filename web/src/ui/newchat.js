// @ts-check
/** The dialog for a new chat: with one person by handle, or a group with a title and people. */
import { uuidv7 } from '../client/index.js';
import { avatar } from './avatar.js';
import { h, icon } from './dom.js';
import { explain } from './texts.js';

/** @typedef {import('../client/client.js').Client} Client */
/** @typedef {import('../client/types.js').User} User */
/** @typedef {import('../client/types.js').Summary} Summary */

export class NewChat {
  /** @type {'direct' | 'group'} */
  #kind = 'direct';
  /** @type {Map<string, User>} people of the new group */
  #people = new Map();
  /** The group's `client_id`: one for all tries, so that trying again makes no second group. */
  #clientId = uuidv7();
  #busy = false;

  /** @param {{client: Client, handle?: string, done: (summary: Summary) => void}} parts */
  constructor({ client, handle = '', done }) {
    this.client = client;
    this.done = done;
    this.handle = h('input', { name: 'handle', id: 'new-handle', value: handle, placeholder: '@handle', autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', on: { keydown: (/** @type {KeyboardEvent} */ event) => this.#handleKey(event) } });
    this.title = h('input', { name: 'title', id: 'new-title', maxLength: 200, placeholder: 'What is it about?', autocomplete: 'off' });
    this.chips = h('ul', { class: 'chips', 'aria-label': 'People' });
    this.problem = h('p', { class: 'problem', role: 'alert' });
    this.submit = h('button', { type: 'submit', class: 'button' });
    this.titleField = h('div', { class: 'labelled' }, h('label', { for: 'new-title' }, 'Title'), this.title);
    this.handleLabel = h('label', { for: 'new-handle' });
    this.addButton = h('button', { type: 'button', class: 'button quiet', on: { click: () => void this.#addPerson() } }, 'Add');
    this.tabs = h('div', { class: 'segments', role: 'group', 'aria-label': 'Kind of chat' }, this.#tab('direct', 'One person'), this.#tab('group', 'Group'));
    this.element = h('dialog', { class: 'dialog', 'aria-label': 'New chat', on: { close: () => this.element.remove() } }, this.#form());
    this.#render();
  }

  #form() {
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#create();
    };
    return h('form', { on: { submit } },
      h('header', {}, h('h2', {}, 'New chat'), h('button', { type: 'button', class: 'icon-button', 'aria-label': 'Close', on: { click: () => this.element.close() } }, icon('close'))),
      this.tabs, this.titleField,
      h('div', { class: 'labelled' }, this.handleLabel, h('div', { class: 'line-form' }, this.handle, this.addButton)),
      this.chips, this.problem, this.submit);
  }

  show() {
    document.body.append(this.element);
    this.element.showModal();
    this.handle.focus();
  }

  /** @param {'direct' | 'group'} kind @param {string} label */
  #tab(kind, label) {
    const choose = () => {
      this.#kind = kind;
      this.#render();
      (kind === 'group' ? this.title : this.handle).focus();
    };
    return h('button', { type: 'button', 'data-kind': kind, on: { click: choose } }, label);
  }

  #render() {
    const group = this.#kind === 'group';
    for (const tab of this.tabs.children) tab.setAttribute('aria-pressed', String(tab.getAttribute('data-kind') === this.#kind));
    this.titleField.hidden = !group;
    this.addButton.hidden = !group;
    this.handleLabel.textContent = group ? 'People, by handle' : 'Who, by handle';
    this.chips.hidden = !group || this.#people.size === 0;
    this.submit.textContent = group ? 'Create group' : 'Start chat';
    this.submit.disabled = this.#busy;
    this.chips.replaceChildren(...[...this.#people.values()].map((user) => this.#chip(user)));
  }

  /** @param {User} user */
  #chip(user) {
    const drop = () => {
      this.#people.delete(user.id);
      this.#render();
      this.handle.focus();
    };
    return h('li', {}, avatar(user.id, user.name, { small: true }), user.name, h('button', { type: 'button', 'aria-label': `Leave out ${user.name}`, on: { click: drop } }, icon('close')));
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    const adds = this.#kind === 'group' && this.handle.value.trim() !== '' && ['Enter', ',', ' '].includes(event.key);
    if (!adds || event.isComposing) return;
    event.preventDefault();
    void this.#addPerson();
  }

  get #typed() {
    return this.handle.value.trim().replace(/^@/u, '');
  }

  /** @returns {Promise<boolean>} */
  async #addPerson() {
    const handle = this.#typed;
    if (handle === '') return true;
    return this.#during(async () => {
      const user = await this.client.api.user(`@${handle}`);
      this.client.users.put(user);
      if (user.id !== this.client.me.id) this.#people.set(user.id, user);
      this.handle.value = '';
    });
  }

  async #create() {
    const group = this.#kind === 'group';
    if (group && this.title.value.trim() === '') return this.#complain('A group needs a title.', this.title);
    if (!group && this.#typed === '') return this.#complain('Whom do you want to write to?', this.handle);
    if (group && !(await this.#addPerson())) return;
    await this.#during(async () => {
      const summary = group
        ? await this.client.api.createGroup({ clientId: this.#clientId, title: this.title.value.trim(), members: [...this.#people.keys()] })
        : await this.client.api.createDirect(`@${this.#typed}`);
      this.element.close();
      this.done(summary);
    });
  }

  /** @param {string} text @param {HTMLElement} field */
  #complain(text, field) {
    this.problem.textContent = text;
    field.focus();
  }

  /** @param {() => Promise<void>} work @returns {Promise<boolean>} whether it went well */
  async #during(work) {
    if (this.#busy) return false;
    this.#busy = true;
    this.problem.textContent = '';
    this.#render();
    try {
      await work();
      return true;
    } catch (error) {
      this.#complain(explain(error), this.handle);
      return false;
    } finally {
      this.#busy = false;
      this.#render();
    }
  }
}
