/* Making nodes and icons. Text is always set as text, never as markup. */

/* h("button", { class: "x", onclick: f, "aria-label": "y" }, "text", child) */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

/* Drawn for this project on a grid of 24 x 24, as strokes. */
const ICONS = {
  brush: "M4 20c3.5.5 6-1 6-4a2.5 2.5 0 0 0-5 0c0 2-.5 3-1 4ZM9.5 13.5 19 4l1.5 1.5-9.5 9.5",
  fill: "M5 12 12 5l7 7-7 7ZM12 5 9.5 2.5M6 11h12M20.5 16.5c1 1.5 1 3 0 3s-1-1.5 0-3Z",
  rectangle: "M4 6h16v12H4Z",
  ellipse: "M12 6c5 0 8.5 2.6 8.5 6s-3.5 6-8.5 6-8.5-2.6-8.5-6S7 6 12 6Z",
  polygon: "M4 9 13 4l7 7-4 9H7Z",
  erase: "M9 19 4 14l9-9 7 7-7 7ZM8.5 9.5l7 7M9 19h11",
  pick: "m13 7 4 4M15 5l1.5-1.5a2 2 0 0 1 4 4L19 9l1 1-2 2-6-6 2-2ZM12 8l-7 7-1 5 5-1 7-7",
  hand: "M12 3v18M3 12h18M9 6l3-3 3 3M9 18l3 3 3-3M6 9l-3 3 3 3M18 9l3 3-3 3",
  mix: "M4 5h9v9H4ZM11 10h9v9h-9Z",
  undo: "M9 5 4 10l5 5M4 10h10a5.5 5.5 0 0 1 0 9h-3",
  redo: "m15 5 5 5-5 5M20 10H10a5.5 5.5 0 0 0 0 9h3",
  clear: "M5 7h14M10 4h4M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  load: "M4 19V5h6l2 3h8v11ZM12 16v-5M9.5 13 12 10.5l2.5 2.5",
  zoomIn: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13ZM15.5 15.5 20 20M10.5 7.5v6M7.5 10.5h6",
  zoomOut: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13ZM15.5 15.5 20 20M7.5 10.5h6",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  keys: "M3 6h18v12H3ZM7 10h.01M11 10h.01M15 10h.01M8 14h8",
};

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function iconButton(name, label, key, onclick) {
  const button = h("button", { type: "button", class: "lp-icon", "data-do": name, onclick }, icon(name));
  nameButton(button, label, key);
  return button;
}

export function nameButton(button, label, key) {
  button.setAttribute("aria-label", label);
  button.title = label + " (" + key + ")";
}

/* Shows one button of a group as pressed, and the others as not. */
export function press(buttons, chosen) {
  for (const button of buttons) button.setAttribute("aria-pressed", String(button === chosen));
}
