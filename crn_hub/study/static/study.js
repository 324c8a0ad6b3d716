/* A rater's way through a study: consent, practice, pairs, thanks. The server says which pair comes next, so that a
   reload goes on where it was; this page shows it, measures for how long, and sends the vote until it has arrived. */

const $ = (id) => document.getElementById(id);
const SECTIONS = ["welcome", "explain", "voting", "thanks"];
const FRAMES = 20; // intervals by which the length of a frame is judged
const RETRY = 2000; // milliseconds

const SOONEST = 200; // milliseconds of a pair without limit before which nobody has chosen: the second of two clicks

let about, token;
let waiting = null; // called with "left", "right" or "ready" when the rater has chosen that
const loading = new Map(); // key -> the promise of a picture's URL

const nextFrame = () => new Promise((done) => requestAnimationFrame(done));
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function show(section) {
  for (const id of SECTIONS) $(id).hidden = id !== section;
}

/* What the server answers; asks again until it does. An answer that refuses (4xx) is thrown. */
async function ask(path, body) {
  for (;;) {
    try {
      const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
      const answer = await fetch(path, options);
      if (answer.status < 500) {
        $("trouble").textContent = "";
        if (!answer.ok) throw Object.assign(new Error(), { status: answer.status });
        return answer;
      }
    } catch (error) {
      if (error.status) throw error;
    }
    $("trouble").textContent = "The server doesn't answer. Trying again…";
    await pause(RETRY);
  }
}

const askJson = async (path, body) => (await ask(path, body)).json();

/* What the browser keeps of this study. Where storage is forbidden, as in some frames of other sites, a reload begins
   anew. */
const keyOf = (name) => "study/" + about.study + "/" + name;

function recall(name) {
  try {
    return localStorage.getItem(keyOf(name));
  } catch {
    return null;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(keyOf(name), value);
  } catch {
    // See above.
  }
}

/* Begins to load a picture, if that hasn't begun before. */
function fetchPicture(key) {
  if (!loading.has(key)) {
    const url = ask("picture/" + key).then((answer) => answer.blob()).then((blob) => URL.createObjectURL(blob));
    loading.set(key, url);
  }
  return loading.get(key);
}

/* Both pictures, decoded: showing them takes no time any more. */
async function load(pair) {
  const urls = await Promise.all([fetchPicture(pair.left), fetchPicture(pair.right)]);
  await Promise.all(["left", "right"].map(async (side, index) => {
    const image = $(side).querySelector("img");
    const before = image.src;
    image.src = urls[index];
    await image.decode();
    if (before) URL.revokeObjectURL(before);
    loading.delete(pair[side]);
  }));
}

/* Noise that hides what stays in the eye. */
function drawMasks() {
  const [height, width] = about.size;
  for (const canvas of document.querySelectorAll(".side canvas")) {
    canvas.width = width / 4;
    canvas.height = height / 4;
    const context = canvas.getContext("2d");
    const noise = context.createImageData(canvas.width, canvas.height);
    for (let i = 0; i < noise.data.length; i += 4) {
      for (let level = 0; level < 3; level++) noise.data[i + level] = 255 * Math.random();
      noise.data[i + 3] = 255;
    }
    context.putImageData(noise, 0, 0);
  }
}

/* The length of a frame in milliseconds: the median of some intervals. */
async function frameLength() {
  const times = [await nextFrame()];
  while (times.length <= FRAMES) times.push(await nextFrame());
  const intervals = times.slice(1).map((time, index) => time - times[index]).sort((a, b) => a - b);
  return intervals[FRAMES >> 1];
}

/* Shows the pair, for some seconds if there is a limit. What changes before a frame's callback ends is seen with that
   frame, so its time is when the pair appears or goes. */
async function expose(seconds, frame) {
  const pair = $("pair");
  pair.dataset.state = "blank";
  await nextFrame();
  pair.dataset.state = "shown";
  const begun = await nextFrame();
  if (seconds === null) return { begun, shown: null };
  let now = begun;
  while (now - begun < 1000 * seconds - frame / 2) now = await nextFrame();
  pair.dataset.state = "masked";
  return { begun, shown: now - begun };
}

/* The answer to a question, one of `answers`. */
function answerTo(question, answers) {
  $("voting").dataset.asks = question;
  return new Promise((done) => {
    waiting = (answer) => {
      if (!answers.includes(answer)) return false;
      waiting = null;
      $("voting").dataset.asks = "";
      document.activeElement?.blur(); // a key that is held would choose in the next pair, too
      done(answer);
      return true;
    };
  });
}

/* Waits for the rater to be ready, where a pair is only seen for a moment. */
async function whenReady() {
  $("ready").hidden = false;
  await answerTo("ready", ["ready"]);
  $("ready").hidden = true;
}

/* How often the pair at a place has been shown; more than once if the page was reloaded. */
function countLook(place) {
  const [before, count] = (recall("looks") ?? "").split(" ");
  const looks = before === place ? Number(count) + 1 : 1;
  remember("looks", place + " " + looks);
  return looks;
}

/* Shows a pair and returns the vote on it. */
async function judge(pair, done, of, practice) {
  const place = practice ? "practice" : pair.session + "/" + pair.position;
  $("voting").dataset.pair = place;
  $("count").textContent = practice ? "practice " + (done + 1) + " of " + of : done + " of " + of;
  $("bar").max = of;
  $("bar").value = done;
  await load(pair);
  drawMasks();
  const frame = pair.exposure === null ? null : (await Promise.all([frameLength(), whenReady()]))[0];
  const looks = countLook(place);
  const { begun, shown } = await expose(pair.exposure, frame);
  for (const key of Object.values(pair.following ?? {})) fetchPicture(key).catch(() => {}); // `load` asks again
  if (pair.exposure === null) await pause(SOONEST);
  const chosen = await answerTo("vote", ["left", "right"]);
  $("pair").dataset.state = "blank";
  const { width } = $("left").getBoundingClientRect();
  return { chosen, shown_ms: shown, frame_ms: frame, response_ms: performance.now() - begun, width_px: width, looks };
}

async function practise() {
  const { practice } = about;
  for (const [number, pair] of practice.entries()) await judge(pair, number, practice.length, true);
  remember("practised", token);
}

/* All pairs of a session, or what is left of it; returns whether there are more sessions. */
async function vote(another) {
  let pair = await askJson("api/next", { token, another });
  const begins = !pair.done && pair.position === 0 && recall("practised") !== token;
  if (begins) {
    show("explain");
    await new Promise((done) => { $("start").onclick = done; });
    show("voting");
    await practise();
  }
  while (!pair.done) {
    show("voting");
    const ballot = await judge(pair, pair.position, pair.of, false);
    pair = await askJson("api/vote", { token, session: pair.session, position: pair.position, ...ballot });
  }
  return pair.more;
}

/* Thanks; returns whether the rater wants another session. If not, somebody else takes part. */
function thank(more) {
  show("thanks");
  $("more").hidden = !more;
  return new Promise((done) => {
    $("another").onclick = () => {
      show("voting"); // whose next pair is on its way
      done(true);
    };
    $("other").onclick = () => done(false);
  });
}

function listen() {
  for (const side of ["left", "right"]) {
    $(side).onclick = () => waiting?.(side);
    $(side).onmousedown = (event) => event.preventDefault(); // no focus, which would take the next space for a click
  }
  $("ready").onclick = () => waiting?.("ready");
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return; // the browser's own
    const side = { ArrowLeft: "left", ArrowRight: "right", " ": "ready" }[event.key];
    if (side && !event.repeat && waiting?.(side)) event.preventDefault();
  });
}

async function start() {
  about = await askJson("api/about");
  const [height, width] = about.size;
  document.documentElement.style.setProperty("--width", width + "px");
  document.documentElement.style.setProperty("--ratio", width / height);
  $("consent").textContent = about.consent;
  $("pairs").textContent = about.pairs;
  $("limited").hidden = !about.limited;
  $("ready").hidden = true;
  listen();
  token = recall("token");
  let another = false;
  for (;;) {
    if (!token) {
      show("welcome");
      await new Promise((done) => { $("agree").onclick = done; });
      token = (await askJson("api/consent", {})).token;
      remember("token", token);
    }
    try {
      another = await thank(await vote(another));
      if (!another) token = null;
    } catch (error) {
      if (error.status === 409) continue; // another tab has voted in the meantime: the server says what comes next
      if (error.status === 401) token = null; // of another study at the same address
      else {
        $("trouble").textContent = "Something went wrong. Your votes are stored: please reload the page.";
        throw error;
      }
    }
  }
}

start();
