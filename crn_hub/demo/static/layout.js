/* A layout, and painting on it exactly: whole pixels, no blending. Pixel (x, y) covers x..x+1, y..y+1; a shape paints
   the pixels whose centres it contains. Boxes are [left, top, right, bottom), as {x0, y0, x1, y1}. */

export const UNLABELLED = 255;
/* Where a layout comes from: the photograph that it was found in, as a URL or null, and notes on how it was read. */
const NOWHERE = Object.freeze({ photograph: null, notes: [] });
const SAME_SHAPE = 1.02; // shapes that differ by less are the same to the eye

export class Layout {
  /* `ids` has the class of each pixel; `choice` its source: the model's image that it is taken from, or the style
     whose colours its region has; `hand` the number of its colour by hand, from 1, or 0. They are parts of one buffer,
     so that one comparison finds every change. */
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.pixels = width * height;
    this.buffer = new Uint8Array(3 * this.pixels);
    [this.ids, this.choice, this.hand] = [0, 1, 2].map((plane) =>
      this.buffer.subarray(plane * this.pixels, (plane + 1) * this.pixels));
    this.ids.fill(UNLABELLED);
    this.choiceOfClass = new Uint8Array(256); // the source that newly painted pixels of a class get
    this.handOfClass = new Uint8Array(256); // and their colour by hand
    this.colors = []; // by hand, as "rrggbb"; they stay when nothing has them any more
    this.styles = []; // those that somebody has given, as texts from Python; their sources come after the model's
    this.seed = 0;
    this.origin = NOWHERE;
  }

  /* All but the pixels. */
  get extras() {
    const { choiceOfClass, handOfClass, colors, styles, seed, origin } = this;
    return {
      choiceOfClass: choiceOfClass.slice(), handOfClass: handOfClass.slice(), colors: [...colors],
      styles: [...styles], seed, origin,
    };
  }

  set extras({ choiceOfClass, handOfClass, colors, styles, seed, origin }) {
    this.choiceOfClass.set(choiceOfClass);
    this.handOfClass.set(handOfClass);
    Object.assign(this, { colors: [...colors], styles: [...styles], seed, origin });
  }

  copy() {
    const result = new Layout(this.width, this.height);
    result.copyFrom(this);
    return result;
  }

  /* Takes over the content of another layout of the same size. */
  copyFrom(other) {
    this.buffer.set(other.buffer);
    this.extras = other.extras;
  }

  get box() {
    return { x0: 0, y0: 0, x1: this.width, y1: this.height };
  }

  clip(x0, y0, x1, y1) {
    const box = {
      x0: Math.max(0, x0), y0: Math.max(0, y0), x1: Math.min(this.width, x1), y1: Math.min(this.height, y1),
    };
    return box.x0 < box.x1 && box.y0 < box.y1 ? box : null;
  }

  contains(x, y) {
    return x >= 0 && y >= 0 && x < this.width && y < this.height;
  }

  paintRow(y, x0, x1, id) {
    const start = y * this.width + x0, end = y * this.width + x1;
    this.ids.fill(id, start, end);
    this.choice.fill(this.choiceOfClass[id], start, end);
    this.hand.fill(this.handOfClass[id], start, end);
  }

  /* What a round brush covers on its way from `a` to `b`: the pixels whose centres are at most half its diameter away
     from that line, and the pixels under both ends. */
  capsule(a, b, diameter, id) {
    const radius = Math.max(1, diameter) / 2;
    const box = this.clip(
      Math.floor(Math.min(a.x, b.x) - radius), Math.floor(Math.min(a.y, b.y) - radius),
      Math.ceil(Math.max(a.x, b.x) + radius) + 1, Math.ceil(Math.max(a.y, b.y) + radius) + 1,
    );
    if (!box) return null;
    const dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
    for (let y = box.y0; y < box.y1; y++) {
      let first = -1, last = -1; // a capsule is convex: one run per row
      for (let x = box.x0; x < box.x1; x++) {
        const px = x + 0.5 - a.x, py = y + 0.5 - a.y;
        const t = length2 ? Math.min(1, Math.max(0, (px * dx + py * dy) / length2)) : 0;
        const ex = px - t * dx, ey = py - t * dy;
        if (ex * ex + ey * ey <= radius * radius) {
          if (first < 0) first = x;
          last = x;
        } else if (first >= 0) break;
      }
      if (first >= 0) this.paintRow(y, first, last + 1, id);
    }
    for (const end of [a, b]) {
      const x = Math.floor(end.x), y = Math.floor(end.y);
      if (this.contains(x, y)) this.paintRow(y, x, x + 1, id);
    }
    return box;
  }

  rectangle(box, id) {
    const inside = this.clip(box.x0, box.y0, box.x1, box.y1);
    if (!inside) return null;
    for (let y = inside.y0; y < inside.y1; y++) this.paintRow(y, inside.x0, inside.x1, id);
    return inside;
  }

  /* The ellipse that fills the box. */
  ellipse(box, id) {
    const inside = this.clip(box.x0, box.y0, box.x1, box.y1);
    if (!inside) return null;
    const cx = (box.x0 + box.x1) / 2, cy = (box.y0 + box.y1) / 2;
    const rx = (box.x1 - box.x0) / 2, ry = (box.y1 - box.y0) / 2;
    for (let y = inside.y0; y < inside.y1; y++) {
      const dy = (y + 0.5 - cy) / ry;
      const half = rx * Math.sqrt(Math.max(0, 1 - dy * dy));
      const first = Math.max(inside.x0, Math.ceil(cx - half - 0.5));
      const last = Math.min(inside.x1 - 1, Math.floor(cx + half - 0.5));
      if (first <= last) this.paintRow(y, first, last + 1, id);
    }
    return inside;
  }

  /* A closed polygon by the even-odd rule. */
  polygon(points, id) {
    const xs = points.map((p) => p.x), ys = points.map((p) => p.y);
    const inside = this.clip(
      Math.floor(Math.min(...xs)), Math.floor(Math.min(...ys)), Math.ceil(Math.max(...xs)), Math.ceil(Math.max(...ys)),
    );
    if (!inside) return null;
    for (let y = inside.y0; y < inside.y1; y++) {
      const crossings = [];
      points.forEach((p, index) => {
        const q = points[(index + 1) % points.length];
        if ((p.y <= y + 0.5) !== (q.y <= y + 0.5)) crossings.push(p.x + ((y + 0.5 - p.y) / (q.y - p.y)) * (q.x - p.x));
      });
      crossings.sort((s, t) => s - t);
      for (let pair = 0; pair + 1 < crossings.length; pair += 2) {
        const first = Math.max(inside.x0, Math.ceil(crossings[pair] - 0.5));
        const end = Math.min(inside.x1, Math.ceil(crossings[pair + 1] - 0.5));
        if (first < end) this.paintRow(y, first, end, id);
      }
    }
    return inside;
  }

  /* Calls visit(y, x0, x1) for each run of pixels in the region of (x, y): its class, connected by sides. */
  eachRunOfRegion(x, y, visit) {
    const { width, height, ids } = this;
    const wanted = ids[y * width + x];
    const seen = new Uint8Array(this.pixels);
    const due = [[x, y]];
    while (due.length) {
      const [px, py] = due.pop();
      const row = py * width;
      if (seen[row + px]) continue;
      let x0 = px, x1 = px + 1;
      while (x0 > 0 && ids[row + x0 - 1] === wanted) x0--;
      while (x1 < width && ids[row + x1] === wanted) x1++;
      seen.fill(1, row + x0, row + x1);
      for (const ny of [py - 1, py + 1]) {
        if (ny < 0 || ny >= height) continue;
        for (let nx = x0; nx < x1; nx++) {
          const at = ny * width + nx;
          const starts = ids[at] === wanted && !seen[at] && (nx === x0 || ids[at - 1] !== wanted);
          if (starts) due.push([nx, ny]);
        }
      }
      visit(py, x0, x1);
    }
  }

  fill(x, y, id) {
    const runs = [];
    this.eachRunOfRegion(x, y, (...run) => runs.push(run));
    for (const [row, x0, x1] of runs) this.paintRow(row, x0, x1, id);
    return this.box;
  }

  /* -- which source each pixel has; a source takes the place of a colour by hand, except for the whole picture -- */

  chooseForAll(source) {
    this.choice.fill(source);
    this.choiceOfClass.fill(source);
  }

  chooseForClass(id, source) {
    for (let i = 0; i < this.pixels; i++) if (this.ids[i] === id) this.choice[i] = source;
    this.choiceOfClass[id] = source;
    this.colorForClass(id, 0);
  }

  chooseForRegion(x, y, source) {
    this.eachRunOfRegion(x, y, (row, x0, x1) => {
      this.choice.fill(source, row * this.width + x0, row * this.width + x1);
    });
    this.colorForRegion(x, y, 0);
  }

  /* The one source that all pixels have; null if there are several. */
  get onlyChoice() {
    const first = this.choice[0];
    return this.choice.every((source) => source === first) ? first : null;
  }

  /* After loading: new pixels of a class get what its first one has, and those of classes without any the source
     `base`. Where somebody has chosen otherwise, the text of the layout says so (codec.js). */
  learnChoices(base = this.onlyChoice ?? 0) {
    this.choiceOfClass.fill(base);
    this.handOfClass.fill(0);
    for (let i = this.pixels - 1; i >= 0; i--) {
      this.choiceOfClass[this.ids[i]] = this.choice[i];
      this.handOfClass[this.ids[i]] = this.hand[i];
    }
  }

  /* -- colours by hand, by their numbers; 0 for the colours of the source -- */

  colorForClass(id, number) {
    for (let i = 0; i < this.pixels; i++) if (this.ids[i] === id) this.hand[i] = number;
    this.handOfClass[id] = number;
  }

  colorForRegion(x, y, number) {
    this.eachRunOfRegion(x, y, (row, x0, x1) => {
      this.hand.fill(number, row * this.width + x0, row * this.width + x1);
    });
  }

  /* The number of a colour "rrggbb"; null if there are `most` others already. */
  numberOf(color, most) {
    if (!this.colors.includes(color)) {
      if (this.colors.length >= most) return null;
      this.colors.push(color);
    }
    return this.colors.indexOf(color) + 1;
  }

  /* -- styles that somebody has given: their sources begin with `first`, and there are `most` of them -- */

  /* Takes over those of another layout; its own come behind them. */
  joinStyles(others, first, most) {
    const own = this.styles, room = most - own.length;
    const kept = room > 0 ? others.filter((style) => !own.includes(style)).slice(-room) : [];
    this.styles = [...kept, ...own];
    for (const plane of [this.choice, this.choiceOfClass]) {
      for (let i = 0; i < plane.length; i++) if (plane[i] >= first) plane[i] += kept.length;
    }
  }

  /* Adds one, for which the oldest may have to go; returns its source. */
  addStyle(style, first, most) {
    if (!this.styles.includes(style)) {
      this.styles.push(style);
      if (this.styles.length > most) {
        this.styles.shift();
        for (const plane of [this.choice, this.choiceOfClass]) {
          for (let i = 0; i < plane.length; i++) {
            if (plane[i] >= first) plane[i] = plane[i] === first ? 0 : plane[i] - 1;
          }
        }
      }
    }
    return first + this.styles.indexOf(style);
  }

  /* This layout at another size, by nearest neighbour. */
  resized(width, height) {
    const result = new Layout(width, height);
    for (let y = 0; y < height; y++) {
      const row = Math.floor(((y + 0.5) * this.height) / height) * this.width;
      for (let x = 0; x < width; x++) {
        const from = row + Math.floor(((x + 0.5) * this.width) / width);
        result.ids[y * width + x] = this.ids[from];
        result.choice[y * width + x] = this.choice[from];
        result.hand[y * width + x] = this.hand[from];
      }
    }
    result.extras = this.extras;
    const stretch = (width / height) / (this.width / this.height);
    if (Math.max(stretch, 1 / stretch) > SAME_SHAPE) result.origin = { ...this.origin, photograph: null };
    return result;
  }
}
