// @ts-check
/**
 * Builds elements. Text only ever becomes text nodes, never markup, so what people write cannot run; and nothing here
 * writes a style attribute, which the page's content security policy forbids.
 */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [props] `on`: listeners; properties of the element by their name, all else becomes an attribute; null and false are left out
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'on') for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === 'class') element.className = value;
    else if (name in element && typeof value !== 'string') /** @type {any} */ (element)[name] = value;
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map((child) => /** @type {Node | string} */ (child)));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** Outlines on a 24 by 24 grid. */
const PATHS = {
  back: ['M15 5l-7 7 7 7'],
  send: ['M5 12h13', 'M12.5 6l6 6-6 6'],
  plus: ['M12 5v14', 'M5 12h14'],
  close: ['M6 6l12 12', 'M18 6L6 18'],
  search: ['M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14z', 'M20 20l-4-4'],
  people: ['M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z', 'M2.5 19.5c.5-3.5 3-5.5 6.5-5.5s6 2 6.5 5.5', 'M16 4.800a3.5 3.5 0 0 1 0 6.4', 'M18 14.5c2 .7 3.2 2.4 3.5 5'],
  clock: ['M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17z', 'M12 7.5V12l3 2'],
  check: ['M5 12.5l4.5 4.5L19 7.5'],
  alert: ['M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17z', 'M12 7.5v5.5', 'M12 16.200v.1'],
  down: ['M6 9.5l6 6 6-6'],
  leave: ['M14 5H7v14h7', 'M11 12h9', 'M17 8.5l3.5 3.5-3.5 3.5'],
  edit: ['M5 19l1-4L16 5l3 3L9 18z'],
};

/** @param {keyof typeof PATHS} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  for (const [key, value] of Object.entries({ viewBox: '0 0 24 24', class: `icon icon-${name}`, 'aria-hidden': 'true', focusable: 'false' })) svg.setAttribute(key, value);
  for (const d of PATHS[name]) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}

/**
 * Runs something once after all changes of this moment. Not an animation frame: those stop in windows nobody looks at.
 * @param {() => void} work
 */
export function coalesce(work) {
  let due = false;
  return () => {
    if (due) return;
    due = true;
    setTimeout(() => {
      due = false;
      work();
    }, 0);
  };
}

/** @param {Element} parent @param {Node[]} wanted its children from now on; those that stay are not touched, so focus and scroll stay too */
export function keep(parent, wanted) {
  const wantedSet = new Set(wanted);
  for (const child of [...parent.childNodes]) if (!wantedSet.has(child)) child.remove();
  wanted.forEach((child, at) => {
    if (parent.childNodes[at] !== child) parent.insertBefore(child, parent.childNodes[at] ?? null);
  });
}
