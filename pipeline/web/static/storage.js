// What the browser keeps for this page. Where it keeps nothing (storage is off, or full), a value
// lasts until the page is left.

class Store {
  #storage;
  /** Values that the browser would not take. @type {Map<string, string>} */
  #unkept = new Map();

  /** @param {() => Storage} storage throws where it is off */
  constructor(storage) {
    this.#storage = storage;
  }

  /** @param {string} name */
  get(name) {
    const unkept = this.#unkept.get(name);
    if (unkept !== undefined) return unkept;
    try {
      return this.#storage().getItem(name);
    } catch {
      return null; // off
    }
  }

  /** @param {string} name @param {string} value */
  set(name, value) {
    try {
      this.#storage().setItem(name, value);
      this.#unkept.delete(name);
    } catch {
      this.#unkept.set(name, value); // off or full
    }
  }
}

/** Outlives the tab. */
export const lasting = new Store(() => localStorage);

/** Is forgotten with the tab. */
export const ofTab = new Store(() => sessionStorage);
