/* Layouts in links, and what the browser keeps for a reload: in the tab's own storage, and in the site's for a new
   tab. */

import { h } from "./dom.js";

const OTHER_CLASSES = "It is for a model of other classes.";
const STORAGES = ["sessionStorage", "localStorage"];
const MODEL_KEY = "crn_hub/model"; // in the tab's storage only: a new tab opens with the page's own model

export class Memory {
  constructor(painter) {
    this.painter = painter;
    this.reopening = false; // the model that the tab had before the reload has been asked for
    this.quiet = true; // until what was kept has been restored
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
    if (layout.choice.some((image) => image >= model.numImages)) layout.chooseForAll(0);
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
      this.painter.showNotes([sentence]); // the status will soon say something else
      return false;
    }
    const { href } = location;
    this.painter.changed(); // which forgets the link
    window.history.replaceState(null, "", href);
    if (!this.painter.live) this.painter.exchange.render();
    return true;
  }

  /* The layout is no longer that of the link. */
  forgetLink() {
    const { hash, pathname, search } = location;
    if (hash.startsWith("#layout=")) window.history.replaceState(null, "", pathname + search);
  }

  /* Keeps what a reload needs, and at once: what is put off is lost when the page goes. */
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
    // Of a page on which nobody has painted, the layout isn't kept: it opens as it is meant to.
    if (revision > 0) {
      state.painting = await exchange.asText();
      exchange.setValue(revision, state.painting); // for a change of model
    }
    for (const storage of STORAGES) {
      try {
        window[storage].removeItem(key); // rather nothing than something older
        window[storage].setItem(key, JSON.stringify(state));
        if (storage === "sessionStorage") window[storage].setItem(MODEL_KEY, model.name);
      } catch {
        // It is full or forbidden: the page works without.
      }
    }
  }

  get storageKey() {
    return "crn_hub/" + JSON.stringify(this.painter.model.classNames);
  }

  /* From the tab's storage, or else the site's; null if in neither. */
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

  /* Asks for the model that the tab had before the reload, if it was another one; `restore` follows when it comes. */
  reopenModel() {
    const model = this.read(MODEL_KEY);
    if (!model || model === this.painter.model.name) return false;
    this.reopening = true;
    this.painter.exchange.reopen(model);
    return true;
  }

  /* Somebody paints before that model is there, or although it never comes: what they paint counts. */
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
      return; // it is of an older page
    }
    if (painter.stroke || painter.revision !== revision) return; // somebody was quicker
    painter.setLayout(layout);
    painter.changed();
    if (!painter.live) painter.exchange.render(); // the photograph on the page is of another layout
  }
}
