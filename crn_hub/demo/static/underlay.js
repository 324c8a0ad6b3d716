/* What lies beneath the layout: nothing, the photograph, or a picture to trace, which stays in the browser. */

import { h } from "./dom.js";

export class Underlay {
  constructor(painter) {
    this.painter = painter;
    this.kind = "none";
    this.picture = null; // an ImageBitmap
    this.select = h(
      "select", { "aria-label": "Underlay", onchange: () => this.use(this.select.value) },
      h("option", { value: "none" }, "nothing"), h("option", { value: "photograph" }, "the photograph"),
      this.pictureOption = h("option", { value: "picture", hidden: true }),
      h("option", { value: "load" }, "a picture…"),
    );
    this.fileInput = h("input", {
      type: "file", accept: "image/*", hidden: true, "aria-label": "Your picture, to trace",
      onchange: () => this.load(this.fileInput.files[0]),
    });
    this.opacityInput = h("input", {
      type: "range", min: 0, max: 100, value: 60, "aria-label": "Opacity of the layout in percent",
      oninput: () => this.setOpacity(this.opacity),
    });
    this.opacityLabel = h("label", { class: "lp-grow", hidden: true },
      h("span", { class: "lp-label" }, "Opacity"), this.opacityInput);
    this.nodes = [
      h("label", {}, h("span", { class: "lp-label" }, "Beneath"), this.select), this.fileInput, this.opacityLabel,
    ];
  }

  use(kind) {
    if (kind === "load") {
      this.select.value = this.kind; // until the picture is there
      this.fileInput.click();
      return;
    }
    this.kind = kind;
    this.select.value = kind;
    this.opacityLabel.hidden = kind === "none";
    this.show();
    this.painter.memory.keep();
  }

  next() {
    const kinds = ["none", "photograph", ...(this.picture ? ["picture"] : [])];
    this.use(kinds[(kinds.indexOf(this.kind) + 1) % kinds.length]);
  }

  show() {
    const { view, photograph } = this.painter;
    view.setUnderlay({ none: null, photograph: photograph.picture, picture: this.picture }[this.kind]);
  }

  /* For another photograph. */
  followPhotograph() {
    if (this.kind === "photograph") this.show();
  }

  async load(file) {
    this.fileInput.value = "";
    if (!file) return;
    try {
      this.picture = await createImageBitmap(file);
    } catch {
      this.painter.say(file.name + ": not a picture that this browser can read.", true);
      return;
    }
    this.pictureOption.textContent = file.name;
    this.pictureOption.hidden = false;
    this.use("picture");
  }

  /* Makes a picture one that can be chosen; it does not show yet. */
  async offer(url, name) {
    this.picture = await createImageBitmap(await (await fetch(url)).blob());
    this.pictureOption.textContent = name;
    this.pictureOption.hidden = false;
    if (this.kind === "picture") this.show();
  }

  /* Of the layout, in percent. */
  get opacity() {
    return Number(this.opacityInput.value);
  }

  setOpacity(percent) {
    this.opacityInput.value = percent;
    this.painter.view.setOpacity(Math.round(percent) / 100);
    this.painter.memory.keep();
  }

  get settings() {
    const { opacity } = this;
    return this.kind === "picture" ? { opacity } : { opacity, underlay: this.kind };
  }

  restore({ opacity, underlay }) {
    this.setOpacity(Number.isFinite(opacity) ? opacity : 60);
    if (underlay === "photograph") this.use("photograph");
  }
}
