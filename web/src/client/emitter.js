// @ts-check
/** A minimal event source. Listeners run in the order they were added; one that throws does not stop the others. */
export class Emitter {
  /** @type {Map<string, Set<(value: any) => void>>} by event name; a listener leaves through the function `on` returned */
  #listeners = new Map();

  /**
   * @param {string} name
   * @param {(value: any) => void} listener
   * @returns {() => void} removes the listener
   */
  on(name, listener) {
    const set = this.#listeners.get(name) ?? new Set();
    set.add(listener);
    this.#listeners.set(name, set);
    return () => set.delete(listener);
  }

  /**
   * @param {string} name
   * @param {any} [value]
   */
  emit(name, value) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        console.error(`listener of ${name} failed`, error);
      }
    }
  }
}
