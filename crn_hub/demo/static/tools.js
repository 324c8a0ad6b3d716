/* The tools. Each answers press, move and release with points of the layout. They read class, size and layout from
   `painter`, and tell it where they have painted.

   A tool may have:
     move(points, event)  if it is dragged
     release()
     hover(point)         between presses
     shape()              the Path2D that outlines what it is about to paint
     reach                the radius that the cursor shows
     cancel()             forgets what it has not painted yet
     giveUp()             forgets only what the last press has begun; without it, cancel() is called
     reset()              forgets what belonged to the layout that has been replaced */

import { UNLABELLED } from "./layout.js";

export const MAX_BRUSH = 200; // pixels of the layout

const midpoint = (a, b) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

class Brush {
  constructor(painter, erases = false) {
    this.painter = painter;
    this.erases = erases;
  }

  get reach() {
    return Math.max(1, this.painter.size) / 2;
  }

  get id() {
    return this.erases ? UNLABELLED : this.painter.classId;
  }

  stamp(a, b) {
    this.painter.touched(this.painter.layout.capsule(a, b, this.painter.size, this.id));
  }

  press(point, event) {
    this.start = this.last = point;
    this.straight = event.shiftKey;
    if (!this.straight) this.stamp(point, point);
    this.end = point; // where the paint ends: halfway to `last`
  }

  /* The paint follows a curve through the midpoints between the points, so that fast strokes have no corners. */
  move(points) {
    for (const point of points) {
      if (!this.straight) {
        const next = midpoint(this.last, point);
        this.curve(this.end, this.last, next);
        this.end = next;
      }
      this.last = point;
    }
  }

  curve(from, control, to) {
    const bend = distance(midpoint(from, to), control);
    const parts = Math.min(32, Math.max(1, Math.ceil(Math.sqrt(bend * 4))));
    let previous = from;
    for (let part = 1; part <= parts; part++) {
      const t = part / parts, u = 1 - t;
      const at = {
        x: u * u * from.x + 2 * u * t * control.x + t * t * to.x,
        y: u * u * from.y + 2 * u * t * control.y + t * t * to.y,
      };
      this.stamp(previous, at);
      previous = at;
    }
  }

  /* With Shift a drag is a straight line, and a click a line from the end of the previous stroke. */
  release() {
    if (this.straight) {
      const clicked = distance(this.start, this.last) * this.painter.view.scale < 4;
      const start = (clicked && this.previousEnd) || this.start;
      this.stamp(start, clicked ? this.start : this.last);
    } else {
      this.stamp(this.end, this.last);
    }
    this.previousEnd = this.last;
    this.start = null;
  }

  cancel() {
    this.start = null;
  }

  reset() {
    this.previousEnd = null;
  }

  shape() {
    if (!this.start || !this.straight) return null;
    const path = new Path2D();
    path.moveTo(this.start.x, this.start.y);
    path.lineTo(this.last.x, this.last.y);
    return path;
  }
}

/* From the pixel where the drag began to the one where it ends, both included; with Shift as wide as high.
   `paint(layout, box, id)` paints, `draw(path, box)` outlines it. */
class BoxTool {
  constructor(painter, paint, draw) {
    Object.assign(this, { painter, paint, draw });
  }

  press(point, event) {
    this.start = this.last = point;
    this.even = event.shiftKey;
  }

  move(points, event) {
    this.last = points.at(-1);
    this.even = event.shiftKey;
  }

  get box() {
    const x = Math.floor(this.start.x), y = Math.floor(this.start.y);
    let dx = Math.floor(this.last.x) - x, dy = Math.floor(this.last.y) - y;
    if (this.even) {
      const side = Math.max(Math.abs(dx), Math.abs(dy));
      dx = dx < 0 ? -side : side;
      dy = dy < 0 ? -side : side;
    }
    return {
      x0: Math.min(x, x + dx), y0: Math.min(y, y + dy), x1: Math.max(x, x + dx) + 1, y1: Math.max(y, y + dy) + 1,
    };
  }

  release() {
    this.painter.touched(this.paint(this.painter.layout, this.box, this.painter.classId));
    this.start = null;
  }

  cancel() {
    this.start = null;
  }

  shape() {
    if (!this.start) return null;
    const path = new Path2D();
    this.draw(path, this.box);
    return path;
  }
}

/* A corner for each click; a click on the first corner, a double click or Enter closes it. */
class Polygon {
  constructor(painter) {
    this.painter = painter;
    this.corners = [];
  }

  press(point) {
    const reach = 8 / this.painter.view.scale;
    this.cornersAtPress = [...this.corners];
    const twice = this.isOpen && distance(point, this.corners.at(-1)) < reach / 2;
    const closes = this.isOpen && distance(point, this.corners[0]) < reach;
    if (this.corners.length > 2 && (closes || twice)) this.close();
    else if (!twice) this.corners.push(point);
    this.last = point;
  }

  /* The press may have been the first of two fingers that zoom: the corners before it stay. */
  giveUp() {
    this.corners = this.cornersAtPress;
  }

  hover(point) {
    this.last = point;
  }

  close() {
    if (this.corners.length > 2) {
      this.painter.touched(this.painter.layout.polygon(this.corners, this.painter.classId));
    } else {
      this.painter.say("A polygon needs three corners.");
    }
    this.corners = [];
  }

  get isOpen() {
    return this.corners.length > 0;
  }

  back() {
    this.corners.pop();
  }

  cancel() {
    this.corners = [];
  }

  reset() {
    this.cancel();
  }

  shape() {
    if (!this.corners.length) return null;
    const path = new Path2D();
    path.moveTo(this.corners[0].x, this.corners[0].y);
    for (const corner of [...this.corners.slice(1), this.last]) path.lineTo(corner.x, corner.y);
    const ring = 5 / this.painter.view.scale;
    path.moveTo(this.corners[0].x + ring, this.corners[0].y);
    path.arc(this.corners[0].x, this.corners[0].y, ring, 0, 2 * Math.PI);
    return path;
  }
}

class Fill {
  constructor(painter) {
    this.painter = painter;
  }

  press(point) {
    const { layout, classId } = this.painter;
    const x = Math.floor(point.x), y = Math.floor(point.y);
    if (layout.contains(x, y)) this.painter.touched(layout.fill(x, y, classId));
  }
}

class Eyedropper {
  constructor(painter) {
    this.painter = painter;
  }

  press(point) {
    this.painter.pick(point);
  }

  move(points) {
    this.painter.pick(points.at(-1));
  }

  release() {
    this.painter.usePreviousTool(); // one picks a class in order to paint with it
  }
}

/* Gives the class or the region under a point the chosen source or colour. */
class Mix {
  constructor(painter) {
    this.painter = painter;
  }

  press(point) {
    const { layout, outputs } = this.painter;
    const x = Math.floor(point.x), y = Math.floor(point.y);
    if (layout.contains(x, y)) outputs.apply(layout, x, y);
  }
}

/* Pans the view; the layout stays as it is. */
class Hand {
  constructor(painter) {
    this.view = painter.view;
  }

  press(point) {
    this.held = point;
  }

  move(points) {
    const at = points.at(-1);
    this.view.moveTo(this.view.left + this.held.x - at.x, this.view.top + this.held.y - at.y);
  }
}

/* In the order of the tool row; the icons are in dom.js. */
export const TOOLS = [
  { id: "brush", key: "b", label: "Brush", make: (painter) => new Brush(painter) },
  { id: "fill", key: "g", label: "Fill", make: (painter) => new Fill(painter) },
  {
    id: "rectangle", key: "r", label: "Rectangle",
    make: (painter) => new BoxTool(
      painter,
      (layout, box, id) => layout.rectangle(box, id),
      (path, { x0, y0, x1, y1 }) => path.rect(x0, y0, x1 - x0, y1 - y0),
    ),
  },
  {
    id: "ellipse", key: "o", label: "Ellipse",
    make: (painter) => new BoxTool(
      painter,
      (layout, box, id) => layout.ellipse(box, id),
      (path, { x0, y0, x1, y1 }) =>
        path.ellipse((x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2, 0, 0, 2 * Math.PI),
    ),
  },
  { id: "polygon", key: "p", label: "Polygon", make: (painter) => new Polygon(painter) },
  { id: "erase", key: "e", label: "Erase", make: (painter) => new Brush(painter, true) },
  { id: "pick", key: "i", label: "Pick a class", make: (painter) => new Eyedropper(painter) },
  { id: "hand", key: "h", label: "Move the view", make: (painter) => new Hand(painter) },
  { id: "mix", key: "m", label: "Mix", make: (painter) => new Mix(painter) },
];
