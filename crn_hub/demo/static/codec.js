/* A painting as text, WIDTHxHEIGHT.IDS[.CHOICE[.HAND]][~sSEED][~cCOLORS][~vSTYLE[.STYLE ...]][~dDEFAULTS]: see
   painting.py, the other side. */

import { Layout } from "./layout.js";

const MAX_STYLE_BYTES = 2 ** 16; // of a style, unpacked, as in painting.py
const DAMAGED = "Its pixels are damaged.";
const NO_PAINTING = "It is not a painting of this page.";

export async function encodePainting(layout) {
  const { width, height, ids, choice, seed, styles } = layout;
  const used = usedColors(layout);
  const hand = layout.hand.map((number) => used.place[number]);
  const hasHand = hand.some((number) => number > 0);
  const defaults = defaultsOf(layout, used.place);
  // Of copies: the layout may change while the browser is compressing.
  const packed = await Promise.all([
    packPlane(ids.slice()),
    choice.some((source) => source > 0) ? packPlane(choice.slice()) : hasHand ? "" : null,
    hasHand ? packPlane(hand) : null,
  ]);
  return [
    [width + "x" + height, ...packed.filter((plane) => plane !== null)].join("."),
    ...(seed ? ["s" + seed] : []),
    ...(used.colors.length ? ["c" + used.colors.join("")] : []),
    ...(styles.length ? ["v" + styles.join(".")] : []),
    ...(defaults ? ["d" + defaults] : []),
  ].join("~");
}

/* The colours by hand that pixels have or will get, and the place of each number among them, from 1. */
function usedColors({ hand, handOfClass, colors }) {
  const used = [...new Set([...new Set(hand), ...handOfClass])].filter((number) => number > 0).sort((a, b) => a - b);
  const place = new Uint8Array(256);
  used.forEach((number, index) => { place[number] = index + 1; });
  return { place, colors: used.map((number) => colors[number - 1]) };
}

/* What newly painted pixels get, where `Layout.learnChoices` doesn't find it: the source of most classes, and id, source
   and colour of each class that differs, all of them as two hexadecimal digits; "" if nothing differs. */
function defaultsOf(layout, place) {
  const { choiceOfClass, handOfClass } = layout;
  const counts = new Map();
  for (const source of choiceOfClass) counts.set(source, (counts.get(source) ?? 0) + 1);
  const base = [...counts].reduce((most, one) => (one[1] > most[1] ? one : most))[0];
  const learnt = layout.copy();
  learnt.learnChoices(base);
  const digits = (...bytes) => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const others = Array.from(choiceOfClass, (source, id) =>
    source === learnt.choiceOfClass[id] && handOfClass[id] === learnt.handOfClass[id]
      ? "" : digits(id, source, place[handOfClass[id]])).join("");
  return others || base !== (layout.onlyChoice ?? 0) ? digits(base) + others : "";
}

/* The Layout of a text. Throws an Error whose message is a sentence for people; never unpacks more than the `limits`
   allow: max_pixels, max_side, max_colors and max_styles. */
export async function decodePainting(text, limits) {
  const [pixels, ...others] = text.split("~");
  const [size, ...planes] = pixels.split(".");
  const found = /^([1-9]\d{0,5})x([1-9]\d{0,5})$/.exec(size);
  if (!found || planes.length < 1 || planes.length > 3) throw new Error(NO_PAINTING);
  const width = Number(found[1]), height = Number(found[2]);
  const fits = width * height <= limits.max_pixels && Math.max(width, height) <= limits.max_side;
  if (!fits) throw new Error("It has more pixels than this page takes.");
  const layout = new Layout(width, height);
  layout.ids.set(await unpackPlane(planes[0], layout.pixels));
  if (planes[1]) layout.choice.set(await unpackPlane(planes[1], layout.pixels));
  if (planes[2]) layout.hand.set(await unpackPlane(planes[2], layout.pixels));
  const parts = new Map(others.map((part) => [part[0], part.slice(1)]));
  if (parts.size < others.length) throw new Error(NO_PAINTING); // one of them twice
  let defaults = null;
  for (const [kind, content] of parts) {
    if (kind === "s" && /^\d{1,6}$/.test(content)) layout.seed = Number(content);
    else if (kind === "c" && /^([0-9a-f]{6})+$/.test(content) && content.length <= 6 * limits.max_colors) {
      layout.colors = content.match(/.{6}/g);
    } else if (kind === "v" && content.split(".").length <= limits.max_styles) {
      layout.styles = content.split(".");
      for (const style of layout.styles) await readStyle(style);
    } else if (kind === "d" && /^[0-9a-f]{2}([0-9a-f]{6}){0,256}$/.test(content)) {
      defaults = content.match(/../g).map((digits) => parseInt(digits, 16));
    } else throw new Error(NO_PAINTING);
  }
  layout.learnChoices(defaults?.[0]);
  for (let i = 1; i < (defaults?.length ?? 0); i += 3) {
    layout.choiceOfClass[defaults[i]] = defaults[i + 1];
    layout.handOfClass[defaults[i]] = defaults[i + 2];
  }
  const isColor = (number) => number <= layout.colors.length;
  if (!layout.hand.every(isColor) || !layout.handOfClass.every(isColor)) throw new Error(DAMAGED);
  return layout;
}

const styleNames = new Map(); // by their texts

/* Reads a style's text as painting.py does; throws an Error if it cannot. */
export async function readStyle(text) {
  if (styleNames.has(text)) return;
  try {
    const { name, colors } = JSON.parse(new TextDecoder().decode(await unpack(text, MAX_STYLE_BYTES)));
    const shares = Object.entries(colors).flatMap(([id, own]) => own.map((one) => [Number(id), ...one]));
    const isByte = (value) => Number.isInteger(value) && value >= 0 && value <= 255;
    const isRight = (one) => one.length === 5 && one.slice(0, 4).every(isByte) && one[4] > 0;
    if (!shares.length || !shares.every(isRight)) throw new Error();
    styleNames.set(text, String(name));
  } catch {
    throw new Error("A style in it is damaged.");
  }
}

/* The name of a style that has been read. */
export function nameOfStyle(text) {
  return styleNames.get(text) ?? "photograph";
}

async function packPlane(plane) {
  const stream = new Blob([plane]).stream().pipeThrough(new CompressionStream("deflate"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  let binary = "";
  for (let i = 0; i < packed.length; i += 8192) binary += String.fromCharCode(...packed.subarray(i, i + 8192));
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

async function unpackPlane(text, pixels) {
  const plane = await unpack(text, pixels).catch(() => []);
  if (plane.length !== pixels) throw new Error(DAMAGED);
  return plane;
}

/* The bytes that were packed; throws an Error if they are more than `most`, or damaged. */
async function unpack(text, most) {
  const packed = Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const result = new Uint8Array(most);
  let filled = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return result.subarray(0, filled);
    if (filled + value.length > most) {
      await reader.cancel();
      throw new Error();
    }
    result.set(value, filled);
    filled += value.length;
  }
}
