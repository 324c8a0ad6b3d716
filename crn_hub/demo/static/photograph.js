/* The photograph beside the layout, the revision of the layout that it was made from, and the original over it, if the
   layout was made from a photograph. */

import { h } from "./dom.js";

export class Photograph {
  constructor() {
    this.revision = -1; // before the first one
    this.originalUrl = null;
    this.image = h("img", { alt: "Photograph of the layout", draggable: "false" });
    this.original = h("div", { class: "lp-original", role: "img", "aria-label": "The original", hidden: true });
    this.slider = h("input", {
      type: "range", min: 0, max: 100, value: 50, "aria-label": "How much of the original is seen, in percent",
      oninput: () => this.showShare(),
    });
    this.compare = h("label", { class: "lp-compare", hidden: true },
      h("span", {}, "original"), this.slider, h("span", {}, "photograph"));
    this.sheet = h("div", { class: "lp-sheet" }, this.image, this.original);
    this.pane = h("div", { class: "lp-pane lp-photograph" }, this.sheet, h("div", { class: "lp-progress" }), this.compare);
  }

  /* "ready", "busy" (waiting for the next one) or "stale" (of an earlier layout). */
  setState(state) {
    this.pane.dataset.state = state;
    this.pane.setAttribute("aria-busy", String(state === "busy"));
  }

  /* The image, or null while there is none to draw. */
  get picture() {
    return this.image.complete && this.image.naturalWidth ? this.image : null;
  }

  /* Lays the photograph that the layout was made from over the new one; null for none. */
  setOriginal(url) {
    if (url === this.originalUrl) return;
    this.originalUrl = url;
    this.original.hidden = this.compare.hidden = !url;
    this.original.style.backgroundImage = url ? "url(" + JSON.stringify(url) + ")" : "";
    this.slider.value = 50;
    this.showShare();
  }

  showShare() {
    this.original.style.clipPath = "inset(0 " + (100 - this.slider.value) + "% 0 0)";
  }

  /* Scrolls to the top of the painter if the photograph can't be seen, as on a phone. */
  reveal(root) {
    const { top, bottom } = this.pane.getBoundingClientRect();
    if (bottom < 0 || top > innerHeight) root.scrollIntoView();
  }

  /* Shows the photograph of a revision; false if a newer one is there already, or arrives in the meantime. */
  async show(url, revision) {
    const next = new Image();
    next.src = url;
    await next.decode();
    if (revision < this.revision) return false;
    this.revision = revision;
    this.image.src = url;
    await this.image.decode().catch(() => {}); // fails if a newer one replaces it
    return this.revision === revision;
  }
}
