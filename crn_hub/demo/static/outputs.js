/* The k outputs of the model: which one is chosen, and what a click takes from it. */

import { h, press } from "./dom.js";

const SCOPES = [["all", "the whole picture"], ["class", "one class"], ["region", "one region"]];

export class Outputs {
  constructor(painter) {
    this.painter = painter;
    this.chosen = 0; // null if the pixels are taken from several
    this.scope = "all"; // what a click takes: one of SCOPES
    this.strip = h("div", { class: "lp-strip", role: "group", "aria-label": "Outputs" });
    this.scopeButtons = SCOPES.map(([scope, label]) =>
      h("button", { type: "button", "data-scope": scope, onclick: () => this.useScope(scope) }, label));
    this.hint = h("p", { class: "lp-hint" });
    this.node = h(
      "div", {},
      h("div", { class: "lp-scopes", role: "group", "aria-label": "What to take from an output" },
        h("span", { class: "lp-label" }, "Take from an output"), ...this.scopeButtons),
      this.strip, this.hint,
    );
  }

  /* For another model, with `count` images per layout. */
  reset(count) {
    this.chosen = 0;
    this.scope = "all";
    this.node.hidden = count < 2;
    this.buttons = Array.from({ length: count }, (_, output) =>
      h("button", {
        type: "button", class: "lp-output", "aria-label": "Output " + (output + 1), onclick: () => this.choose(output),
      }, h("img", { alt: "", draggable: "false" }), h("span", {}, String(output + 1))));
    this.strip.replaceChildren(...this.buttons);
  }

  setPictures(pictures) {
    this.buttons.forEach((button, output) => { button.firstChild.src = pictures[output] ?? ""; });
  }

  /* For another layout. */
  follow(layout) {
    if (this.scope === "all") this.chosen = layout.onlyChoice;
    this.show();
  }

  choose(output) {
    const { painter } = this;
    if (painter.stroke) return;
    this.chosen = output;
    this.change((layout) => {
      if (this.scope === "all") layout.chooseForAll(output);
      else if (this.scope === "class") layout.chooseForClass(painter.classId, output);
    });
    this.show();
    painter.memory.keep();
  }

  /* A click on the photograph does what the tool "mix" does on the layout. */
  takeAt(event) {
    const { painter } = this;
    if (!painter.model.hasSeveralImages || this.scope === "all" || painter.stroke) return;
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
    this.chosen ??= 0;
    if (painter.toolId === "mix" && scope === "all") painter.usePreviousTool();
    this.show();
    painter.memory.keep();
  }

  nextScope() {
    const scopes = SCOPES.map(([scope]) => scope);
    this.useScope(scopes[(scopes.indexOf(this.scope) + 1) % scopes.length]);
  }

  show() {
    const { model, classId, photograph } = this.painter;
    photograph.pane.classList.toggle("lp-mixes", model.hasSeveralImages && this.scope !== "all");
    if (!model.hasSeveralImages) return;
    press(this.buttons, this.buttons[this.chosen]);
    press(this.scopeButtons, this.scopeButtons.find((button) => button.dataset.scope === this.scope));
    this.hint.textContent = {
      all: "Click an output to see it large.",
      class:
        "Click an output for the class " + model.nameOf(classId) +
        ", or choose one and click something in the photograph.",
      region: "Choose an output, then click a region in the photograph.",
    }[this.scope];
  }

  get settings() {
    return { output: this.chosen, scope: this.scope };
  }

  restore({ output, scope }) {
    const { numImages } = this.painter.model;
    if (["class", "region"].includes(scope) && numImages > 1) this.scope = scope;
    if (output >= 0 && output < numImages) this.chosen = Math.floor(output);
    this.show();
  }
}
