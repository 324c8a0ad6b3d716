/* Layouts in links, and what the browser keeps for a reload. */

class Memory {
  constructor(painter) {
    this.painter = painter;
    addEventListener("hashchange", () => this.openLink());
  }

  async copyLink() {
    history.replaceState(null, "", "#layout=" + (await this.painter.exchange.asText()));
    try {
      await navigator.clipboard.writeText(location.href);
      const { length } = location.href;
      this.painter.say("The link is copied, and in the address bar: " + length.toLocaleString() + " characters.");
    } catch {
      const link = h("a", { href: location.href, target: "_blank" }, "this address");
      this.painter.status.replaceChildren("The link is ", link, ".");
    }
  }

  /* The painting of a text, if this model can show it. */
  async understood(text) {
    const layout = await decodePainting(text);
    const count = this.painter.classes.length;
    const known = layout.ids.every((id) => id < count || id === UNLABELLED);
    if (!known) throw new Error("It is for a model of other classes.");
    if (layout.choice.some((image) => image >= this.painter.numImages)) layout.choice.fill(0);
    layout.learnChoices();
    return layout;
  }

  async openLink() {
    if (!location.hash.startsWith("#layout=")) return false;
    try {
      this.painter.replaceLayout(await this.understood(location.hash.slice("#layout=".length)));
    } catch (error) {
      this.painter.say("The layout of this link can't be shown. " + error.message, true);
      return false;
    }
    const { href } = location;
    this.painter.changed(); // which takes the link out of the address
    history.replaceState(null, "", href);
    if (!this.painter.live) this.painter.exchange.render();
    return true;
  }

  /* What a reload needs, kept in the browser at once: what it waits for is lost when the page goes. */
  keep() {
    if (!this.painter.layout) return;
    this.keepAgain = true;
    this.keeping ??= this.keepAll();
  }

  async keepAll() {
    while (this.keepAgain) {
      this.keepAgain = false;
      await this.keepNow();
    }
    this.keeping = null;
  }

  async keepNow() {
    const { toolId, size, classId, live, underlayKind, output, scope } = this.painter;
    const opacity = Number(this.painter.opacityInput.value);
    const state = { tool: toolId, size, classId, live, output, scope, opacity };
    if (underlayKind !== "picture") state.underlay = underlayKind;
    try {
      // Nothing is kept of a page on which nobody has painted: it opens as it is meant to.
      const { revision } = this.painter;
      if (revision > 0) {
        state.painting = await this.painter.exchange.asText();
        this.painter.exchange.setValue(revision, state.painting); // for a change of model
      }
      localStorage.setItem(this.painter.storageKey, JSON.stringify(state));
    } catch {
      // Storage is full or forbidden: the page works without.
    }
  }

  async restore() {
    const { painter } = this;
    let state;
    try {
      state = JSON.parse(localStorage.getItem(painter.storageKey) ?? "{}") ?? {};
    } catch {
      state = {};
    }
    if (TOOLS.some((tool) => tool.id === state.tool)) painter.useTool(state.tool);
    painter.setSize(Number(state.size) || painter.size);
    if (painter.rows.some((row) => row.id === state.classId)) painter.useClass(state.classId);
    painter.setOpacity(Number.isFinite(state.opacity) ? state.opacity : 60);
    painter.live = painter.liveInput.checked = state.live !== false;
    if (state.underlay === "photograph") painter.setUnderlay("photograph");
    if (["class", "region"].includes(state.scope) && painter.numImages > 1) painter.scope = state.scope;
    if (state.output >= 0 && state.output < painter.numImages) painter.output = Math.floor(state.output);
    painter.showOutputs();
    if (await this.openLink()) return;
    if (!state.painting) return;
    try {
      painter.setLayout(await this.understood(state.painting));
    } catch {
      return; // of an older page
    }
    painter.changed();
    if (!painter.live) painter.exchange.render(); // the photograph on the page is of another layout
  }
}
