/* How the layout is shown: zoom, pan, and what lies beneath it. The canvases are never read back. */

const MAX_SCALE = 40; // screen pixels per pixel of the layout

export class View {
  /* `pane` holds the canvases `base` and `overlay` and gives their size; `photograph` is the image beside it, which
     follows zoom and pan. `drawCursor(context)` draws in coordinates of the layout; `onMove()` is called after every
     zoom or pan. */
  constructor({ pane, base, overlay }, photograph, { drawCursor, onMove }) {
    Object.assign(this, { pane, base, overlay, photograph, drawCursor, onMove });
    this.layout = null;
    this.zoom = 1; // 1: the whole layout fills the pane
    this.left = 0; // the point of the layout at the pane's upper left corner
    this.top = 0;
    this.opacity = 1; // of the layout, where something lies beneath it
    this.underlay = null;
    this.colors = new Uint32Array(256);
    this.image = document.createElement("canvas");
    new ResizeObserver(() => this.fitToPane()).observe(pane);
    this.watchPixelRatio();
  }

  watchPixelRatio() {
    const query = matchMedia("(resolution: " + devicePixelRatio + "dppx)");
    query.addEventListener("change", () => { this.fitToPane(); this.watchPixelRatio(); }, { once: true });
  }

  /* Colours as [r, g, b]: one for each class, and `unlabelled` for every other id. */
  setColors(colors, unlabelled) {
    const word = ([r, g, b]) => new Uint32Array(new Uint8Array([r, g, b, 255]).buffer)[0];
    this.colors.fill(word(unlabelled));
    colors.forEach((color, id) => { this.colors[id] = word(color); });
  }

  /* What lies beneath the layout: anything that drawImage takes, or null. */
  setUnderlay(picture) {
    this.underlay = picture;
    this.refresh();
  }

  setOpacity(opacity) {
    this.opacity = opacity;
    this.refresh();
  }

  /* Shows another layout, which may be of another size. */
  show(layout) {
    const resized = !this.layout || this.layout.width !== layout.width || this.layout.height !== layout.height;
    this.layout = layout;
    if (resized) {
      this.image.width = layout.width;
      this.image.height = layout.height;
      this.context = this.image.getContext("2d");
      this.data = this.context.createImageData(layout.width, layout.height);
      this.words = new Uint32Array(this.data.data.buffer);
      this.fitToPane();
      this.fit();
    }
    this.repaint(layout.box);
  }

  repaint({ x0, y0, x1, y1 }) {
    const { width, ids } = this.layout;
    for (let y = y0; y < y1; y++) {
      for (let i = y * width + x0; i < y * width + x1; i++) this.words[i] = this.colors[ids[i]];
    }
    this.context.putImageData(this.data, 0, 0, x0, y0, x1 - x0, y1 - y0);
    this.refresh();
  }

  get scale() {
    const { width } = this.pane.getBoundingClientRect(); // not clientWidth, which is rounded
    return (this.zoom * width) / this.layout.width; // CSS pixels per pixel of the layout
  }

  toLayout(event, pane = this.pane) {
    const rectangle = pane.getBoundingClientRect();
    return {
      x: this.left + (event.clientX - rectangle.left) / this.scale,
      y: this.top + (event.clientY - rectangle.top) / this.scale,
    };
  }

  fitToPane() {
    const rectangle = this.pane.getBoundingClientRect();
    const width = Math.round(rectangle.width * devicePixelRatio);
    const height = Math.round(rectangle.height * devicePixelRatio);
    for (const canvas of [this.base, this.overlay]) {
      if (canvas.width !== width) canvas.width = width;
      if (canvas.height !== height) canvas.height = height;
    }
    if (this.layout) this.moveTo(this.left, this.top);
  }

  fit() {
    this.zoom = 1;
    this.moveTo(0, 0);
  }

  /* Zooms about `at`, the point of the layout that stays where it is on the screen. */
  zoomBy(factor, at = this.center) {
    const most = Math.max(1, (MAX_SCALE * this.layout.width) / Math.max(1, this.pane.clientWidth));
    const zoom = Math.min(most, Math.max(1, this.zoom * factor));
    const kept = this.zoom / zoom;
    this.zoom = zoom;
    this.moveTo(at.x - (at.x - this.left) * kept, at.y - (at.y - this.top) * kept);
  }

  get center() {
    return { x: this.left + this.layout.width / this.zoom / 2, y: this.top + this.layout.height / this.zoom / 2 };
  }

  moveTo(left, top) {
    const { width, height } = this.layout;
    this.left = Math.min(Math.max(0, left), width - width / this.zoom);
    this.top = Math.min(Math.max(0, top), height - height / this.zoom);
    const { scale } = this;
    this.photograph.style.transform =
      "translate(" + -this.left * scale + "px," + -this.top * scale + "px) scale(" + this.zoom + ")";
    this.onMove();
    this.refresh();
  }

  /* Pans until a point of the layout is in the pane. */
  reveal({ x, y }) {
    const width = this.layout.width / this.zoom, height = this.layout.height / this.zoom;
    this.moveTo(
      Math.max(x + width / 8 - width, Math.min(this.left, x - width / 8)),
      Math.max(y + height / 8 - height, Math.min(this.top, y - height / 8)),
    );
  }

  /* Draws again with the next frame. */
  refresh() {
    if (this.due || !this.layout) return;
    this.due = requestAnimationFrame(() => {
      this.due = 0;
      this.draw();
    });
  }

  draw() {
    const scale = this.scale * devicePixelRatio;
    const { width, height } = this.layout;
    const over = this.overlay.getContext("2d"), under = this.base.getContext("2d");
    for (const context of [under, over]) {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, this.base.width, this.base.height);
      context.setTransform(scale, 0, 0, scale, -this.left * scale, -this.top * scale);
    }
    under.globalAlpha = 1;
    if (this.underlay) {
      under.imageSmoothingEnabled = true;
      // As large as fits, in the middle.
      const { naturalWidth, naturalHeight } = this.underlay;
      const wide = naturalWidth ?? this.underlay.width, high = naturalHeight ?? this.underlay.height;
      const fit = Math.min(width / wide, height / high);
      under.drawImage(this.underlay, (width - wide * fit) / 2, (height - high * fit) / 2, wide * fit, high * fit);
      under.globalAlpha = this.opacity;
    }
    under.imageSmoothingEnabled = false;
    under.drawImage(this.image, 0, 0);
    this.drawCursor(over);
  }

  /* Strokes a path so that it is visible on every colour: light on dark. */
  outline(context, path) {
    const thin = 1 / this.scale;
    context.lineJoin = "round";
    for (const [color, width] of [["#000", 3], ["#fff", 1.25]]) {
      context.strokeStyle = color;
      context.lineWidth = width * thin;
      context.stroke(path);
    }
  }
}
