/* Layouts in links, and what the browser keeps for a reload: in the tab's own storage, and for a new tab in the site's. */

const OTHER_CLASSES = "It is for a model of other classes.";
const STORAGES = ["sessionStorage", "localStorage"];
const MODEL_KEY = "crn_hub/model"; // in the tab's storage only: a new tab opens with the page's own model

class Memory {
  constructor(painter) {
    this.painter = painter;
    this.reopening = false; // the model of before the reload is on its way
    this.quiet = true; // until what was kept has been restored
    addEventListener("hashchange", () => this.openLink());
  }

  async copyLink() {
    const link = "#layout=" + (await this.painter.exchange.asText()) + "&classes=" + this.classesMark;
    try {
      history.replaceState(null, "", link);
      await navigator.clipboard.writeText(location.href);
      const { length } = location.href;
      this.painter.say("The link is copied, and in the address bar: " + length.toLocaleString() + " characters.");
    } catch {
      this.painter.say("");
      this.painter.status.append("The link is ", h("a", { href: link, target: "_blank" }, "this address"), ".");
    }
  }

  /* Tells class sets apart: FNV-1a of their names, 32 bits. */
  get classesMark() {
    let mark = 0x811c9dc5;
    for (const byte of new TextEncoder().encode(this.painter.classes.map(({ name }) => name).join("\n"))) {
      mark = Math.imul(mark ^ byte, 0x01000193);
    }
    return (mark >>> 0).toString(16);
  }

  /* The painting of a text, if this model can show it. */
  async understood(text) {
    const layout = await decodePainting(text);
    const count = this.painter.classes.length;
    const known = layout.ids.every((id) => id < count || id === UNLABELLED);
    if (!known) throw new Error(OTHER_CLASSES);
    if (layout.choice.some((image) => image >= this.painter.numImages)) layout.chooseForAll(0);
    return layout;
  }

  async openLink() {
    if (!location.hash.startsWith("#layout=")) return false;
    const link = new URLSearchParams(location.hash.slice(1));
    try {
      const layout = await this.understood(link.get("layout"));
      if ((link.get("classes") ?? this.classesMark) !== this.classesMark) throw new Error(OTHER_CLASSES);
      this.painter.replaceLayout(layout);
    } catch (error) {
      const sentence = "The layout of this link can't be shown. " + error.message;
      this.painter.say(sentence, true);
      this.painter.showNotes([sentence]); // the status will soon say something else
      return false;
    }
    const { href } = location;
    this.painter.changed(); // which forgets the link
    history.replaceState(null, "", href);
    if (!this.painter.live) this.painter.exchange.render();
    return true;
  }

  /* The layout is another one now. */
  forgetLink() {
    if (location.hash.startsWith("#layout=")) history.replaceState(null, "", location.pathname + location.search);
  }

  /* What a reload needs, kept in the browser at once: what it waits for is lost when the page goes. */
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
    const { toolId, size, classId, live, underlayKind, output, scope } = this.painter;
    const opacity = Number(this.painter.opacityInput.value);
    const state = { tool: toolId, size, classId, live, output, scope, opacity };
    if (underlayKind !== "picture") state.underlay = underlayKind;
    // Nothing is kept of a page on which nobody has painted: it opens as it is meant to.
    const { revision, model } = this.painter;
    if (revision > 0) {
      state.painting = await this.painter.exchange.asText();
      this.painter.exchange.setValue(revision, state.painting); // for a change of model
    }
    for (const storage of STORAGES) {
      try {
        window[storage].removeItem(this.painter.storageKey); // rather nothing than something older
        window[storage].setItem(this.painter.storageKey, JSON.stringify(state));
        if (storage === "sessionStorage") window[storage].setItem(MODEL_KEY, model);
      } catch {
        // It is full or forbidden: the page works without.
      }
    }
  }

  /* In the tab's storage, or that of the site; null if in neither. */
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

  /* The model that the tab had before the reload; the rest is restored when it is there. */
  reopenModel() {
    const model = this.read(MODEL_KEY);
    if (!model || model === this.painter.model) return false;
    this.reopening = true;
    trigger("reopen", { model });
    return true;
  }

  /* Somebody paints before that model is there, or it never comes: what they paint counts. */
  dontWait() {
    this.reopening = this.quiet = false;
  }

  async restore() {
    const { painter } = this;
    let state;
    try {
      state = JSON.parse(this.read(painter.storageKey) ?? "{}") ?? {};
    } catch {
      state = {};
    }
    const tool = TOOLS.find(({ id }) => id === state.tool);
    if (tool && !(tool.id === "mix" && painter.numImages < 2)) painter.useTool(tool.id);
    painter.setSize(Number(state.size) || painter.size);
    if (painter.rows.some((row) => row.id === state.classId)) painter.useClass(state.classId);
    painter.setOpacity(Number.isFinite(state.opacity) ? state.opacity : 60);
    painter.live = painter.liveInput.checked = state.live !== false;
    if (state.underlay === "photograph") painter.setUnderlay("photograph");
    if (["class", "region"].includes(state.scope) && painter.numImages > 1) painter.scope = state.scope;
    if (state.output >= 0 && state.output < painter.numImages) painter.output = Math.floor(state.output);
    painter.showOutputs();
    const linked = await this.openLink();
    this.dontWait();
    if (linked || !state.painting) return;
    const { revision } = painter;
    let layout;
    try {
      layout = await this.understood(state.painting);
    } catch {
      return; // of an older page
    }
    if (painter.tool || painter.revision !== revision) return; // somebody was quicker
    painter.setLayout(layout);
    painter.changed();
    if (!painter.live) painter.exchange.render(); // the photograph on the page is of another layout
  }
}
