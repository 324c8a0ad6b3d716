/* The photograph beside the layout, and the revision of the layout that it was made from. */

import { h } from "./dom.js";

export class Photograph {
  constructor() {
    this.revision = -1; // before the first one
    this.image = h("img", { alt: "Photograph of the layout", draggable: "false" });
    this.pane = h("div", { class: "lp-pane lp-photograph" }, this.image, h("div", { class: "lp-progress" }));
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
