/* Mouse, pen and fingers over the layout. */

export const PEN_ERASER = 5; // the button of a pen's other end
const PALM = 1000; // milliseconds: a touch this soon after the pen is the hand that holds it

export class Pointers {
  constructor(painter) {
    this.painter = painter;
    this.pointers = new Map(); // those that are down: id -> their last event
    this.over = null; // where a mouse or a pen is over the layout
    this.penAt = -Infinity; // when the pen was last seen
    this.pinch = null; // two fingers: their distance, and the point of the layout between them
    this.panning = null; // the point of the layout that is being dragged
    const { view } = painter;
    const { overlay, pane } = painter.parts;
    overlay.addEventListener("pointerdown", (event) => this.onDown(event));
    overlay.addEventListener("pointermove", (event) => this.onMove(event));
    overlay.addEventListener("pointerup", (event) => this.onUp(event));
    overlay.addEventListener("pointercancel", (event) => this.onCancel(event));
    overlay.addEventListener("pointerleave", () => this.hide());
    overlay.addEventListener("contextmenu", (event) => event.preventDefault());
    overlay.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // let the page scroll
      event.preventDefault();
      view.zoomBy(Math.exp(-event.deltaY / 300), view.toLayout(event));
    }, { passive: false });
    painter.photograph.sheet.addEventListener("click", (event) => painter.outputs.takeAt(event));
    for (const target of [pane, painter.photograph.pane]) {
      target.addEventListener("dragover", (event) => event.preventDefault());
      target.addEventListener("drop", (event) => {
        event.preventDefault();
        painter.exchange.dropFile(event.dataTransfer.files[0]);
      });
    }
  }

  /* Removes the cursor of mouse or pen. */
  hide() {
    this.over = null;
    this.painter.view.refresh();
  }

  onDown(event) {
    const penIsDown = [...this.pointers.values()].some(({ pointerType }) => pointerType === "pen");
    if (event.pointerType === "touch" && (penIsDown || event.timeStamp - this.penAt < PALM)) return;
    if (event.pointerType === "pen") this.penAt = event.timeStamp;
    if (event.pointerType === "pen" && this.pointers.size) {
      this.painter.giveUp(); // the hand was there first
      this.pinch = null;
      this.pointers.clear();
    }
    const { overlay } = this.painter.parts;
    overlay.setPointerCapture(event.pointerId);
    overlay.focus({ preventScroll: true });
    this.painter.keys.release();
    this.pointers.set(event.pointerId, event);
    if (event.pointerType === "touch" && this.pointers.size === 2) {
      this.painter.giveUp();
      this.panning = null;
      this.pinch = this.pinchNow();
      return;
    }
    if (this.pinch || this.painter.stroke) return;
    const point = this.painter.view.toLayout(event);
    if (event.button === 1 || this.painter.keys.spaceDown) {
      event.preventDefault();
      this.panning = point;
    } else if (event.button === 0 || event.button === PEN_ERASER) {
      this.painter.startStroke(point, event);
    }
    this.over = point;
  }

  onMove(event) {
    if (event.pointerType === "pen") this.penAt = event.timeStamp;
    const point = this.painter.view.toLayout(event);
    this.over = event.pointerType === "touch" ? null : point;
    if (this.pointers.has(event.pointerId)) this.pointers.set(event.pointerId, event);
    if (this.pinch) this.movePinch();
    else if (this.panning) {
      const { left, top } = this.painter.view;
      this.painter.view.moveTo(left + this.panning.x - point.x, top + this.panning.y - point.y);
    } else if (this.painter.stroke && this.pointers.has(event.pointerId)) {
      const events = event.getCoalescedEvents?.() ?? [];
      const points = (events.length ? events : [event]).map((one) => this.painter.view.toLayout(one));
      this.painter.moveStroke(points, event);
    } else {
      this.painter.hover(point);
    }
  }

  onUp(event) {
    if (event.pointerType === "pen") this.penAt = event.timeStamp;
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.pinch) {
      if (!this.pointers.size) this.pinch = null;
      else if (this.pointers.size > 1) this.pinch = this.pinchNow(); // with the fingers that are left
    } else if (this.panning) {
      this.panning = null;
    } else if (this.painter.stroke) {
      this.painter.endStroke();
    }
  }

  onCancel(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (!this.pointers.size) this.pinch = null;
    this.panning = null;
    this.painter.giveUp();
  }

  pinchNow() {
    const [a, b] = [...this.pointers.values()];
    return {
      span: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY),
      at: this.painter.view.toLayout({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 }),
    };
  }

  movePinch() {
    if (this.pointers.size < 2) return;
    const now = this.pinchNow();
    const { view } = this.painter;
    view.moveTo(view.left + this.pinch.at.x - now.at.x, view.top + this.pinch.at.y - now.at.y);
    view.zoomBy(now.span / Math.max(1, this.pinch.span), this.pinch.at);
    this.pinch.span = now.span;
  }
}
