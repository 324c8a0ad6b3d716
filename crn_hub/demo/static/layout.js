/* A layout, and painting on it exactly: whole pixels, no blending. Pixel (x, y) covers x..x+1, y..y+1; a shape paints
   the pixels whose centres it contains. Boxes are [left, top, right, bottom), as {x0, y0, x1, y1}. */

export const UNLABELLED = 255;

export class Layout {
  /* `ids` has the class of each pixel, `choice` which of the model's images it is taken from; both are parts of one
     buffer, so that one comparison finds every change. */
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.pixels = width * height;
    this.buffer = new Uint8Array(2 * this.pixels);
    this.ids = this.buffer.subarray(0, this.pixels);
    this.choice = this.buffer.subarray(this.pixels);
    this.ids.fill(UNLABELLED);
    this.choiceOfClass = new Uint8Array(256); // the choice that newly painted pixels of a class get
  }

  copy() {
    const result = new Layout(this.width, this.height);
    result.copyFrom(this);
    return result;
  }

  /* Takes over the content of another layout of the same size. */
  copyFrom(other) {
    this.buffer.set(other.buffer);
    this.choiceOfClass.set(other.choiceOfClass);
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
    this.ids.fill(id, y * this.width + x0, y * this.width + x1);
    this.choice.fill(this.choiceOfClass[id], y * this.width + x0, y * this.width + x1);
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

  /* -- which image each pixel is taken from -- */

  chooseForAll(image) {
    this.choice.fill(image);
    this.choiceOfClass.fill(image);
  }

  chooseForClass(id, image) {
    for (let i = 0; i < this.pixels; i++) if (this.ids[i] === id) this.choice[i] = image;
    this.choiceOfClass[id] = image;
  }

  /* The one image that all pixels are taken from; null if there are several. */
  get onlyChoice() {
    const first = this.choice[0];
    return this.choice.every((image) => image === first) ? first : null;
  }

  /* After loading: new pixels of a class are taken from the image that its old ones are taken from. */
  learnChoices() {
    this.choiceOfClass.fill(this.onlyChoice ?? 0);
    for (let i = this.pixels - 1; i >= 0; i--) this.choiceOfClass[this.ids[i]] = this.choice[i];
  }

  chooseForRegion(x, y, image) {
    this.eachRunOfRegion(x, y, (row, x0, x1) => {
      this.choice.fill(image, row * this.width + x0, row * this.width + x1);
    });
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
      }
    }
    result.choiceOfClass.set(this.choiceOfClass);
    return result;
  }
}
