/* The sources of the photograph's pixels: the model's k images, or for a model with styles, those whose colours regions
   have. Which one is chosen, and what a click takes from it. A colour by hand (colors.js) may be chosen instead. */

import { nameOfStyle } from "./codec.js";
import { h, press } from "./dom.js";

const SCOPES = [["all", "the whole picture"], ["class", "one class"], ["region", "one region"]];

export class Outputs {
  constructor(painter) {
    this.painter = painter;
    this.chosen = 0; // a source; null if the pixels have several
    this.scope = "all"; // what a click takes: one of SCOPES
    this.strip = h("div", { class: "lp-strip", role: "group" });
    this.scopeButtons = SCOPES.map(([scope, label]) =>
      h("button", { type: "button", "data-scope": scope, onclick: () => this.useScope(scope) }, label));
    this.label = h("span", { class: "lp-label" });
    this.scopes = h("div", { class: "lp-scopes", role: "group" }, this.label, ...this.scopeButtons);
    this.hint = h("p", { class: "lp-hint" });
    this.node = h("div", { class: "lp-outputs" }, this.scopes, this.strip, this.hint);
    this.sources = []; // see `Model.sourcesOf`
    this.buttons = []; // of each of them
  }

  /* For another model. */
  reset({ hasSources, hasStyles }) {
    this.chosen = 0;
    this.scope = "all";
    this.node.hidden = !hasSources;
    const { root, side } = this.painter.parts;
    if (hasStyles) root.insertBefore(this.node, side); // in a row of its own
    else side.insertBefore(this.node, this.painter.colors.node);
    this.label.textContent = hasStyles ? "Light and colours for" : "Take from an output";
    this.scopes.setAttribute("aria-label", hasStyles ? "What takes the colours" : "What to take from an output");
    this.strip.setAttribute("aria-label", hasStyles ? "Styles" : "Outputs");
    this.strip.classList.toggle("lp-styles", hasStyles);
    this.sources = [];
    this.buttons = [];
  }

  /* For other sources; pictures of those that stay are kept. */
  build(sources) {
    const { styles, hasStyles } = this.painter.model;
    const pictures = new Map(this.sources.map((source, index) => [source, this.buttons[index].firstChild.src]));
    this.sources = sources;
    this.buttons = sources.map((source, index) => {
      const short = !hasStyles ? String(index + 1) : index < styles.length ? source : nameOfStyle(source);
      const name = !hasStyles ? "Output " + short : index < styles.length ? short : "Colours of " + short;
      const src = pictures.get(source) || null;
      return h("button", {
        type: "button", class: "lp-output", "aria-label": name, title: name, onclick: () => this.choose(index),
      }, h("img", { alt: "", draggable: "false", src }), h("span", {}, short));
    });
    this.strip.replaceChildren(...this.buttons);
  }

  setPictures(pictures) {
    if (this.painter.model.hasStyles) return; // previews.js has them
    this.buttons.forEach((button, source) => { button.firstChild.src = pictures[source] ?? ""; });
  }

  /* For another layout, or after any change of it. */
  follow(layout) {
    const sources = this.painter.model.sourcesOf(layout);
    if (String(sources) !== String(this.sources)) this.build(sources);
    if (this.scope === "all") this.chosen = layout.onlyChoice;
    else if (this.chosen >= sources.length) this.chosen = 0;
    this.show();
  }

  choose(source) {
    const { painter } = this;
    if (painter.stroke) return;
    this.chosen = source;
    painter.colors.useSource();
    this.change((layout) => {
      if (this.scope === "all") layout.chooseForAll(source);
      else if (this.scope === "class") layout.chooseForClass(painter.classId, source);
    });
    this.show();
    painter.memory.keep();
  }

  /* What a click at a point takes, on the layout or on the photograph. */
  apply(layout, x, y) {
    const { colors } = this.painter;
    const id = layout.ids[y * layout.width + x];
    const byHand = colors.isChosen;
    if (byHand) {
      const number = colors.numberIn(layout);
      if (number === null) return;
      if (this.scope === "region") layout.colorForRegion(x, y, number);
      else layout.colorForClass(id, number);
    } else if (this.scope === "region") layout.chooseForRegion(x, y, this.chosen);
    else layout.chooseForClass(id, this.chosen);
  }

  /* A click on the photograph does what the tool "mix" does on the layout. */
  takeAt(event) {
    const { painter } = this;
    if (!painter.model.hasSources || this.scope === "all" || painter.stroke) return;
    const point = painter.view.toLayout(event, painter.photograph.pane);
    this.change(() => painter.tools.mix.press(point));
  }

  /* Choices show in the photograph at once, live or not. */
  change(act) {
    this.painter.change(act);
    if (!this.painter.live) this.painter.renderIfStale();
  }

  useScope(scope) {
    const { painter } = this;
    this.scope = scope;
    this.chosen = scope === "all" ? painter.layout.onlyChoice : this.chosen ?? 0;
    if (painter.toolId === "mix" && scope === "all") painter.usePreviousTool();
    this.show();
    painter.memory.keep();
  }

  nextScope() {
    const scopes = SCOPES.map(([scope]) => scope);
    this.useScope(scopes[(scopes.indexOf(this.scope) + 1) % scopes.length]);
  }

  show() {
    const { model, classId, photograph, colors } = this.painter;
    photograph.pane.classList.toggle("lp-mixes", model.hasSources && this.scope !== "all");
    if (!model.hasSources) return;
    this.showChosen(colors.isChosen ? null : this.buttons[this.chosen]);
    press(this.scopeButtons, this.scopeButtons.find((button) => button.dataset.scope === this.scope));
    const name = model.nameOf(classId);
    this.hint.textContent = (model.hasStyles ? {
      all: "A style is for the whole picture, a colour for all " + name + ".",
      class: "For " + name + ". Or choose a style or a colour and click something in the photograph.",
      region: "Choose a style or a colour, then click a region in the photograph.",
    } : {
      all: "Click an output to see it large.",
      class:
        "Click an output for the class " + name + ", or choose one and click something in the photograph.",
      region: "Choose an output, then click a region in the photograph.",
    })[this.scope];
    colors.show();
  }

  /* The button of the chosen source, which is scrolled into sight when another one is chosen. */
  showChosen(button) {
    const { strip } = this;
    const isNew = button && button.getAttribute("aria-pressed") !== "true";
    press(this.buttons, button);
    if (!isNew) return;
    const { offsetLeft, offsetWidth } = button;
    const isSeen = offsetLeft >= strip.scrollLeft
      && offsetLeft + offsetWidth <= strip.scrollLeft + strip.clientWidth;
    if (!isSeen) strip.scrollLeft = offsetLeft - (strip.clientWidth - offsetWidth) / 2;
  }

  get settings() {
    return { output: this.chosen, scope: this.scope };
  }

  restore({ output, scope }) {
    const { model } = this.painter;
    if (["class", "region"].includes(scope) && model.hasSources) this.scope = scope;
    if (this.scope !== "all" && output >= 0 && output < this.sources.length) this.chosen = Math.floor(output);
    this.show();
  }
}
