/* The seed: other details, and other colours of regions within the same style. */

import { h } from "./dom.js";

export class Details {
  constructor(painter) {
    this.painter = painter;
    this.input = h("input", {
      type: "number", min: 0, step: 1, "aria-label": "Number of the details", onchange: () => this.use(this.input.value),
    });
    this.node = h(
      "div", { class: "lp-details" }, h("span", { class: "lp-label" }, "Details"),
      h("button", { type: "button", class: "lp-button", title: "Other details (N)", onclick: () => this.shuffle() },
        "Shuffle"),
      this.input,
    );
  }

  /* For another model. */
  reset({ hasSeed }) {
    this.node.hidden = !hasSeed;
  }

  get most() {
    return this.painter.exchange.props.max_seed;
  }

  shuffle() {
    this.use(1 + Math.floor(Math.random() * this.most));
  }

  use(seed) {
    const { painter } = this;
    const wanted = Math.round(Number(seed));
    if (painter.stroke || !Number.isFinite(wanted)) return this.show();
    painter.outputs.change((layout) => { layout.seed = Math.min(this.most, Math.max(0, wanted)); });
    this.show();
  }

  show() {
    this.input.value = this.painter.layout?.seed ?? 0;
  }
}
