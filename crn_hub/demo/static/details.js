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
    if (painter.stroke) return this.show();
    const wanted = String(seed).trim() === "" ? NaN : Number(seed);
    if (!Number.isInteger(wanted) || wanted < 0 || wanted > this.most) {
      painter.say("The number of the details must be a whole one, 0 to " + this.most.toLocaleString("en") + ".", true);
      return this.show();
    }
    painter.outputs.change((layout) => { layout.seed = wanted; });
    this.show();
  }

  show() {
    this.input.value = this.painter.layout?.seed ?? 0;
  }
}
