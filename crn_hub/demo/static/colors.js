/* Colours by hand, for models with styles: swatches that occur in training for the class, a picker, and the way back to
   the style's own. */

import { h, press } from "./dom.js";

const hex = (color) => color.map((level) => level.toString(16).padStart(2, "0")).join("");

export class Colors {
  constructor(painter) {
    this.painter = painter;
    this.chosen = null; // "rrggbb", or "" for the style's own; null while a style is chosen
    this.label = h("span", { class: "lp-label" });
    this.swatches = h("div", { class: "lp-swatches", role: "group" });
    this.picker = h("input", {
      type: "color", "aria-label": "Any other colour", title: "Any other colour",
      onchange: () => this.use(this.picker.value.slice(1)),
    });
    this.ownButton = h("button", { type: "button", class: "lp-own", onclick: () => this.use("") }, "as the style has it");
    this.node = h("div", { class: "lp-colors" }, this.label, this.swatches, this.picker, this.ownButton);
    this.shownClass = null;
  }

  /* For another model. */
  reset({ hasStyles }) {
    this.chosen = this.shownClass = null;
    this.node.hidden = !hasStyles;
  }

  get isChosen() {
    return this.chosen !== null;
  }

  useSource() {
    this.chosen = null;
  }

  /* The number of the chosen colour in a layout; null, with a message, if it has too many. */
  numberIn(layout) {
    if (this.chosen === "") return 0;
    const number = layout.numberOf(this.chosen, this.painter.exchange.props.max_colors);
    if (number === null) this.painter.say("This layout has had too many colours; undo some, or use one of its own.", true);
    return number;
  }

  /* For the class, or if a region is wanted, for the next one that is clicked. */
  use(color) {
    const { painter } = this;
    const { outputs } = painter;
    if (painter.stroke) return;
    this.chosen = color;
    if (outputs.scope !== "region") {
      outputs.change((layout) => {
        const number = this.numberIn(layout);
        if (number !== null) layout.colorForClass(painter.classId, number);
      });
      this.chosen = outputs.scope === "all" ? null : color;
    }
    outputs.show();
  }

  /* The colour that new pixels of the class get, "" if that of the style. */
  get ofClass() {
    const { layout, classId } = this.painter;
    return layout ? layout.colors[layout.handOfClass[classId] - 1] ?? "" : "";
  }

  show() {
    const { model, classId, outputs } = this.painter;
    if (!model.hasStyles) return;
    const isRegion = outputs.scope === "region";
    if (this.shownClass !== classId) {
      this.shownClass = classId;
      const name = model.nameOf(classId);
      this.swatches.setAttribute("aria-label", "Colours of " + name + " in training");
      this.buttons = model.swatchesOf(classId).map((color) => h("button", {
        type: "button", class: "lp-color", "data-color": hex(color), "aria-label": "Colour #" + hex(color),
        style: "background: rgb(" + color + ")", onclick: () => this.use(hex(color)),
      }));
      this.swatches.replaceChildren(...this.buttons);
    }
    this.label.textContent = isRegion ? "A region's colour" : "Colour of " + model.nameOf(classId);
    const now = isRegion ? this.chosen : this.ofClass;
    press([...this.buttons, this.ownButton],
      now === "" ? this.ownButton : this.buttons.find((button) => button.dataset.color === now));
    const isOther = Boolean(now) && !this.buttons.some((button) => button.dataset.color === now);
    this.picker.classList.toggle("lp-chosen", isOther);
    this.picker.value = "#" + (now || this.buttons[0]?.dataset.color || "808080");
  }
}
