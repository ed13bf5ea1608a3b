// @ts-check
/** The panel of a group: its title, who is in it, and what the reader's role lets them change. The server decides; refusals are told. */
import { avatar } from './avatar.js';
import { coalesce, h, icon } from './dom.js';
import { explain, userName } from './texts.js';

/** @typedef {import('../client/client.js').Client} Client */
/** @typedef {import('../client/chat.js').Chat} Chat */
/** @typedef {import('../client/types.js').Member} Member */
/** @typedef {import('../client/types.js').Role} Role */
/** @typedef {{id: string, role: Role}} Line */

const ROLES = /** @type {Role[]} */ (['owner', 'admin', 'member']);
const ROLE_NAMES = { owner: 'Owner', admin: 'Admin', member: 'Member' };

export class Members {
  /** @type {Line[]} pages read so far */
  #lines = [];
  /** @type {string | null} */
  #more = null;
  /** What the list on show was read for; another value means that it is old. */
  #readFor = '';
  #loading = false;

  /** @param {{client: Client, chat: Chat, toast: (text: string) => void, close: () => void}} parts */
  constructor({ client, chat, toast, close }) {
    this.parts = { client, chat, toast };
    this.closeButton = h('button', { type: 'button', class: 'icon-button', 'aria-label': 'Close members', on: { click: close } }, icon('close'));
    this.titleForm = this.#titleForm();
    this.addForm = this.#addForm();
    this.list = h('ul', { class: 'member-list', 'aria-label': 'Members' });
    this.moreButton = h('button', { type: 'button', class: 'button quiet', hidden: true, on: { click: () => void this.#load(this.#more) } }, 'Show more');
    const leave = confirmed({ label: 'Leave group', sure: 'Leave? Tap again', class: 'button danger', act: () => this.#act(() => client.api.removeMember(chat.id, client.me.id)) });
    this.leave = leave;
    this.element = h('aside', { class: 'members', 'aria-label': 'Members of the group' },
      h('header', {}, h('h2', {}, 'Group'), this.closeButton),
      h('div', { class: 'members-body' }, this.titleForm, this.addForm, this.list, this.moreButton, leave));
    this.render = coalesce(() => this.#render());
    this.update();
  }

  close() {
    this.#loading = true;
  }

  focus() {
    this.closeButton.focus();
  }

  /** Reads the list anew when the group changed. */
  update() {
    const { chat } = this.parts;
    const current = [chat.changedSeq, chat.summary.members, chat.summary.role, chat.summary.title].join();
    if (current !== this.#readFor && !this.#loading) {
      this.#readFor = current;
      void this.#load(null);
    }
    this.render();
  }

  /** @param {string | null} cursor */
  async #load(cursor) {
    const { client, chat, toast } = this.parts;
    if (chat.closed) return;
    this.#loading = true;
    try {
      const { members, more } = await client.api.members(chat.id, cursor);
      const lines = members.map(({ user, role }) => this.#line(user, role));
      this.#lines = cursor === null ? lines : [...this.#lines, ...lines];
      this.#more = more ?? null;
    } catch (error) {
      toast(explain(error));
    }
    this.#loading = false;
    this.update();
  }

  /** @param {Member['user']} user @param {Role} role @returns {Line} */
  #line(user, role) {
    if (typeof user === 'string') return { id: user, role };
    this.parts.client.users.put(user);
    return { id: user.id, role };
  }

  get #leads() {
    const { role } = this.parts.chat.summary;
    return !this.parts.chat.closed && (role === 'owner' || role === 'admin');
  }

  #render() {
    const { chat } = this.parts;
    const input = /** @type {HTMLInputElement} */ (this.titleForm.elements.namedItem('title'));
    if (document.activeElement !== input) input.value = chat.summary.title ?? '';
    input.disabled = !this.#leads;
    /** @type {HTMLElement} */ (this.titleForm.querySelector('button')).hidden = !this.#leads;
    this.addForm.hidden = !this.#leads;
    this.leave.hidden = chat.closed;
    this.moreButton.hidden = this.#more === null;
    const focused = document.activeElement?.closest('.member')?.getAttribute('data-user');
    const order = [...this.#lines].sort((a, b) => ROLES.indexOf(a.role) - ROLES.indexOf(b.role));
    this.list.replaceChildren(...order.map((line) => this.#lineElement(line)));
    if (focused) /** @type {HTMLElement | null} */ (this.list.querySelector(`[data-user="${CSS.escape(focused)}"] :is(select, button)`))?.focus();
  }

  /** @param {Line} line */
  #lineElement({ id, role }) {
    const { client, chat } = this.parts;
    const me = client.me.id;
    const name = userName(client, id);
    const mayRole = chat.summary.role === 'owner' && id !== me && !chat.closed;
    const mayRemove = this.#leads && id !== me && (role === 'member' || chat.summary.role === 'owner');
    const handle = client.users.get(id)?.handle;
    return h('li', { class: 'member', 'data-user': id },
      avatar(id, name, { small: true }),
      h('div', { class: 'who' }, h('strong', {}, id === me ? `${name} (you)` : name), handle ? h('span', {}, `@${handle}`) : null),
      mayRole ? this.#roleSelect(id, role, name) : h('span', { class: 'role' }, ROLE_NAMES[role]),
      mayRemove && confirmed({ label: 'Remove', sure: 'Sure?', name, class: 'icon-button', act: () => this.#act(() => client.api.removeMember(chat.id, id)) }));
  }

  /** @param {string} id @param {Role} role @param {string} name */
  #roleSelect(id, role, name) {
    const { client, chat } = this.parts;
    const options = ROLES.map((value) => h('option', { value, selected: value === role }, ROLE_NAMES[value]));
    const change = (/** @type {Event} */ event) => {
      const chosen = /** @type {Role} */ (/** @type {HTMLSelectElement} */ (event.target).value);
      void this.#act(() => client.api.setMember(chat.id, id, chosen));
    };
    return h('select', { 'aria-label': `Role of ${name}`, on: { change } }, ...options);
  }

  #titleForm() {
    const submit = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const { client, chat } = this.parts;
      const input = /** @type {HTMLInputElement} */ (this.titleForm.elements.namedItem('title'));
      const title = input.value.trim();
      if (title === '' || title === chat.summary.title) return;
      input.blur();
      void this.#act(() => client.api.rename(chat.id, title));
    };
    return h('form', { class: 'line-form', on: { submit } },
      h('input', { name: 'title', 'aria-label': 'Group title', maxLength: 200, autocomplete: 'off' }),
      h('button', { type: 'submit', class: 'button quiet' }, 'Rename'));
  }

  #addForm() {
    const submit = async (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const { client, chat } = this.parts;
      const input = /** @type {HTMLInputElement} */ (this.addForm.elements.namedItem('handle'));
      const handle = input.value.trim().replace(/^@/u, '');
      if (handle === '') return;
      if (await this.#act(() => client.api.setMember(chat.id, `@${handle}`, 'member'))) input.value = '';
    };
    return h('form', { class: 'line-form', on: { submit } },
      h('input', { name: 'handle', 'aria-label': 'Handle to add', placeholder: '@handle', autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false' }),
      h('button', { type: 'submit', class: 'button quiet' }, 'Add'));
  }

  /** @param {() => Promise<any>} call @returns {Promise<boolean>} whether it went well */
  async #act(call) {
    const { toast } = this.parts;
    let well = true;
    try {
      await call();
    } catch (error) {
      well = false;
      toast(explain(error));
    }
    this.#readFor = '';
    this.update();
    return well;
  }
}

/**
 * A button that asks once more in its own place before it acts. With a `name` (whom it is about) it shows a cross until asked.
 * @param {{label: string, sure: string, class: string, name?: string, act: () => void}} parts
 */
function confirmed({ label, sure, class: look, name, act }) {
  let asked = false;
  const ask = (/** @type {boolean} */ value) => {
    asked = value;
    button.replaceChildren(asked ? sure : name ? icon('close') : label);
    if (name) button.setAttribute('aria-label', asked ? `${label} ${name}: sure?` : `${label} ${name}`);
  };
  const click = () => {
    if (asked) act();
    ask(!asked);
  };
  const button = h('button', { type: 'button', class: look, on: { click, blur: () => ask(false) } });
  ask(false);
  return button;
}
