/* What is drawn over the layout: the outline of what a tool is about to paint, the brush's circle, and a cross where
   the keys paint. */

export function drawCursor(context, { activeTool, keys, pointers, view }) {
  const shape = activeTool.shape?.();
  if (shape) view.outline(context, shape);
  const at = keys.at ? keys.point : pointers.over;
  if (!at) return;
  const path = new Path2D();
  if (activeTool.reach) path.arc(at.x, at.y, activeTool.reach, 0, 2 * Math.PI);
  if (keys.at) {
    const arm = 9 / view.scale;
    path.moveTo(at.x - arm, at.y);
    path.lineTo(at.x + arm, at.y);
    path.moveTo(at.x, at.y - arm);
    path.lineTo(at.x, at.y + arm);
  }
  view.outline(context, path);
}
