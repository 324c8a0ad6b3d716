/* Layouts in links, and what the browser keeps: in the tab's own storage for a reload, and in the site's storage for
   new tabs. */

import { h } from "./dom.js";

const OTHER_CLASSES = "It is for a model of other classes.";
const STORAGES = ["sessionStorage", "localStorage"];
const MODEL_KEY = "crn_hub/model"; // in the tab's storage only: new tabs open with the page's own model

/* A kept origin of a layout; what it can't be becomes nothing. */
function originOf({ photograph, notes } = {}) {
  return {
    photograph: /^data:image\//.test(photograph) ? photograph : null,
    notes: Array.isArray(notes) ? notes.map(String) : [],
  };
}

export class Memory {
  constructor(painter) {
    this.painter = painter;
    this.reopening = false; // waiting for the model that the tab had before the reload
    this.quiet = true; // nothing is kept until the old state is restored
    this.keepAgain = false;
    this.keeping = null; // the promise of `keepAll`
    addEventListener("hashchange", () => this.openLink());
  }

  async copyLink() {
    const link = "#layout=" + (await this.painter.exchange.asText()) + "&classes=" + this.painter.model.classesMark;
    try {
      window.history.replaceState(null, "", link);
      await navigator.clipboard.writeText(location.href);
      const { length } = location.href;
      this.painter.say("The link is copied, and in the address bar: " + length.toLocaleString() + " characters.");
    } catch {
      this.painter.say(["The link is ", h("a", { href: link, target: "_blank" }, "this address"), "."]);
    }
  }

  /* The layout of a text, if this model can show it. */
  async understood(text) {
    const { exchange, model } = this.painter;
    const layout = await exchange.read(text);
    if (!model.understands(layout)) throw new Error(OTHER_CLASSES);
    model.simplify(layout);
    return layout;
  }

  async openLink() {
    if (!location.hash.startsWith("#layout=")) return false;
    const link = new URLSearchParams(location.hash.slice(1));
    try {
      const layout = await this.understood(link.get("layout"));
      const { classesMark } = this.painter.model;
      if ((link.get("classes") ?? classesMark) !== classesMark) throw new Error(OTHER_CLASSES);
      this.painter.replaceLayout(layout);
    } catch (error) {
      const sentence = "The layout of this link can't be shown. " + error.message;
      this.painter.say(sentence, true);
      this.painter.showNotes([sentence]); // stays; the status will soon say something else
      return false;
    }
    const { href } = location;
    this.painter.changed(); // which forgets the link
    window.history.replaceState(null, "", href);
    if (!this.painter.live) this.painter.exchange.render();
    return true;
  }

  /* Removes the link from the address bar: the layout is no longer the one in it. */
  forgetLink() {
    const { hash, pathname, search } = location;
    if (hash.startsWith("#layout=")) window.history.replaceState(null, "", pathname + search);
  }

  /* Keeps what a reload needs. Without delay: what has not been written when the page closes is lost. */
  keep() {
    if (this.quiet) return;
    this.keepAgain = true;
    this.keeping ??= this.keepAll();
  }

  async keepAll() {
    try {
      while (this.keepAgain) {
        this.keepAgain = false;
        await this.keepNow();
      }
    } finally {
      this.keeping = null;
    }
  }

  async keepNow() {
    const { settings, revision, model, exchange } = this.painter;
    const key = this.storageKey;
    const state = { ...settings };
    // Where nobody has painted, the layout is not kept: the page opens as usual.
    if (revision > 0) {
      state.origin = this.painter.layout.origin;
      state.painting = await exchange.asText();
      exchange.setValue(revision, state.painting); // for a change of model
    }
    for (const storage of STORAGES) {
      try {
        window[storage].removeItem(key); // if the next line fails, better nothing than something older
        window[storage].setItem(key, JSON.stringify(state));
        if (storage === "sessionStorage") window[storage].setItem(MODEL_KEY, model.name);
      } catch {
        // Storage is full or forbidden: the page works without it.
      }
    }
  }

  get storageKey() {
    return "crn_hub/" + JSON.stringify(this.painter.model.classNames);
  }

  /* From the tab's storage or else the site's; null if it is in neither. */
  read(key) {
    for (const storage of STORAGES) {
      try {
        const text = window[storage].getItem(key);
        if (text !== null) return text;
      } catch {
        // Forbidden.
      }
    }
    return null;
  }

  /* Asks for the model that the tab had before the reload, if it was another one. `restore` follows when it arrives. */
  reopenModel() {
    const model = this.read(MODEL_KEY);
    if (!model || model === this.painter.model.name) return false;
    this.reopening = true;
    this.painter.exchange.reopen(model);
    return true;
  }

  /* Somebody has painted before that model arrived, which may be never: their painting takes precedence. */
  dontWait() {
    this.reopening = this.quiet = false;
  }

  async restore() {
    const { painter } = this;
    let state;
    try {
      state = JSON.parse(this.read(this.storageKey) ?? "{}") ?? {};
    } catch {
      state = {};
    }
    painter.restore(state);
    const linked = await this.openLink();
    this.dontWait();
    if (linked || !state.painting) return;
    const { revision } = painter;
    let layout;
    try {
      layout = await this.understood(state.painting);
    } catch {
      return; // written by an older version of the page
    }
    if (painter.stroke || painter.revision !== revision) return; // somebody has begun to paint
    layout.origin = originOf(state.origin);
    painter.setLayout(layout);
    painter.changed();
    if (!painter.live) painter.exchange.render(); // the photograph shown is of another layout
  }
}
