// The item page: keys, playing, drafts, sending.

import { drafts, isKept, queue, send } from "/static/queue.js";

const words = JSON.parse(document.getElementById("words").dataset.json);
const item = document.getElementById("item");
const form = document.getElementById("answer");
const medium = document.getElementById("medium");
const hint = document.getElementById("hint");
const banner = document.getElementById("banner");
const cannot = document.getElementById("cannot");
const comment = document.getElementById("comment");
const privacy = document.getElementById("privacy");
const save = document.getElementById("save");
const undo = document.getElementById("undo");
const plays = document.getElementById("plays");
const relogin = document.getElementById("relogin");
const help = document.getElementById("help");
const radios = [...form.querySelectorAll("input[name=label]")];

const { id, queue: owner, login } = item.dataset;
const mustPlay = item.dataset.mustPlay === "1";
const hotkeys = JSON.parse(item.dataset.keys);
const labelKeys = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "-"].slice(0, radios.length);
const shownAt = performance.now();

const state = { plays: 0, firstPlay: null, hidden: 0, hiddenSince: null, busy: false, done: false };

// --- What the reader sees -----------------------------------------------------------------------------------------

function shownKey(key) {
  return key === " " ? "␣" : key.toUpperCase();
}

function say(text) {
  hint.textContent = text;
}

function tell(text, kind, action) {
  banner.textContent = text;
  banner.className = `banner ${kind}`;
  if (action) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = action.text;
    button.addEventListener("click", action.run);
    banner.append(" ", button);
  }
  banner.hidden = text === "";
}

function showPlays() {
  if (!plays) return;
  plays.textContent = state.plays === 0 ? plays.dataset.none : plays.dataset.some.replace("{n}", state.plays);
  plays.classList.toggle("missing", mustPlay && state.plays === 0);
}

for (const kbd of document.querySelectorAll("kbd[data-key]")) {
  kbd.textContent = shownKey(hotkeys.keys[kbd.dataset.key]);
  kbd.hidden = !hotkeys.on;
}
for (const kbd of document.querySelectorAll("kbd[data-label-key]")) {
  kbd.textContent = labelKeys[Number(kbd.dataset.labelKey)];
  kbd.hidden = !hotkeys.on;
}
document.querySelector("[data-first-key]").textContent = labelKeys[0];
document.querySelector("[data-last-key]").textContent = labelKeys[labelKeys.length - 1];
showPlays();

// --- Playing ------------------------------------------------------------------------------------------------------

if (medium) {
  if (item.dataset.view === "video") medium.muted = true;
  let heard = 0;
  let last = null;
  medium.addEventListener("play", () => {
    state.firstPlay ??= Math.round(performance.now() - shownAt);
  });
  // Only what was really played counts, not what was jumped over.
  medium.addEventListener("timeupdate", () => {
    const at = medium.currentTime;
    if (last !== null && at > last && at - last < 1.5) heard += at - last;
    last = at;
  });
  medium.addEventListener("seeking", () => { last = null; });
  // At the speed at which it was spoken; some browsers offer others in a menu.
  medium.addEventListener("ratechange", () => {
    if (medium.playbackRate !== 1) medium.playbackRate = 1;
  });
  medium.addEventListener("ended", () => {
    if (heard >= 0.8 * medium.duration - 0.5) {
      state.plays += 1;
      if (hint.textContent === words["play-first"]) say("");
      keepDraft();
    }
    heard = 0;
    last = null;
    showPlays();
  });
  medium.addEventListener("error", () => say(words["unplayable"]));
  if (item.dataset.view === "video") {
    // A picture has no second voice: the sound of a video is not on the server, and the switch is off here too.
    medium.addEventListener("volumechange", () => { medium.muted = true; });
  }
}

function play() {
  if (!medium) return;
  if (medium.paused) medium.play().catch(() => say(words["unplayable"]));
  else medium.pause();
}

function replay() {
  if (!medium) return;
  medium.currentTime = 0;
  medium.play().catch(() => say(words["unplayable"]));
}

// --- Drafts -------------------------------------------------------------------------------------------------------

function chosen() {
  return radios.find((radio) => radio.checked)?.value ?? null;
}

function keepDraft() {
  if (state.done) return;
  drafts.put({
    id, owner, label: chosen(), cannot: cannot.value, comment: comment.value, privacy: privacy.checked, plays: state.plays,
  });
}

async function restoreDraft() {
  const draft = await drafts.get(id);
  if (!draft || draft.owner !== owner) return;
  const radio = radios.find((r) => r.value === draft.label);
  if (radio) radio.checked = true;
  cannot.value = draft.cannot;
  comment.value = draft.comment;
  privacy.checked = draft.privacy;
  state.plays = Math.max(state.plays, draft.plays);
  showPlays();
  if (draft.label !== null || draft.cannot || draft.comment || draft.privacy) say(words["draft"]);
}

form.addEventListener("input", (event) => {
  if (event.target.name === "label") cannot.value = "";
  if (event.target === cannot && cannot.value) for (const radio of radios) radio.checked = false;
  say("");
  keepDraft();
});

function choose(index) {
  const radio = radios[index];
  radio.checked = true;
  cannot.value = "";
  radio.focus({ preventScroll: true });
  say("");
  keepDraft();
}

// --- Sending ------------------------------------------------------------------------------------------------------

function newKey() {
  return globalThis.crypto?.randomUUID?.() ?? `${Date.now()}-${Math.random()}-${Math.random()}`.slice(0, 60);
}

function answer() {
  const hiddenNow = state.hiddenSince === null ? 0 : performance.now() - state.hiddenSince;
  return {
    id,
    key: newKey(),
    label: cannot.value ? null : Number(chosen()),
    cannot_judge: cannot.value || null,
    comment: comment.value,
    privacy: privacy.checked,
    plays: state.plays,
    first_play_ms: state.firstPlay,
    total_ms: Math.round(performance.now() - shownAt),
    hidden_ms: Math.round(state.hidden + hiddenNow),
  };
}

async function submit() {
  if (state.busy) return;
  if (state.done) {
    goOn();
    return;
  }
  if (chosen() === null && !cannot.value) {
    say(words["choose"]);
    radios[0].focus();
    return;
  }
  const isExempt = ["technical", "empty"].includes(cannot.value);
  if (mustPlay && state.plays === 0 && !isExempt) {
    say(words["play-first"]);
    medium.focus();
    return;
  }
  state.busy = true;
  save.setAttribute("aria-busy", "true");
  say(words["saving"]);
  const body = answer();
  await queue.put({ key: body.key, owner, at: Date.now(), body });
  for (const control of form.elements) if (control !== save) control.disabled = true;
  await flush();
}

let timer = null;
let flushing = false;
let wanted = false;

// Sends everything that waits. What is put into the queue meanwhile is sent too.
async function flush() {
  wanted = true;
  if (flushing) return;
  flushing = true;
  clearTimeout(timer);
  try {
    while (wanted) {
      wanted = false;
      if (!(await sendAll())) return;
    }
  } finally {
    flushing = false;
  }
}

// Oldest first, until one cannot be sent now: then false.
async function sendAll() {
  for (const entry of await queue.all(owner)) {
    const result = await send(entry);
    const isThis = entry.body.id === id;
    switch (result.outcome) {
      case "ok":
        await queue.remove(entry.key);
        await drafts.remove(entry.body.id);
        if (isThis) saved(result.feedback);
        else if (!state.busy) tell("", "");
        break;
      case "answered":
      case "gone":
        await queue.remove(entry.key);
        await drafts.remove(entry.body.id);
        if (isThis) stuck(words[result.outcome]);
        else tell(words["late"], "waiting");
        break;
      case "not-played":
        await queue.remove(entry.key);
        if (isThis) again(words["play-first"]);
        break;
      case "refused":
        await queue.remove(entry.key);
        if (isThis) again(words["refused"]);
        break;
      case "signed-out":
        askToSignIn();
        return false;
      default:
        tell(words[result.outcome], "waiting");
        say("");
        timer = setTimeout(flush, result.outcome === "offline" ? 3000 : 5000);
        return false;
    }
  }
  return true;
}

function saved(feedback) {
  state.done = true;
  state.busy = false;
  tell("", "");
  if (item.dataset.training !== "1" || !feedback) {
    goOn();
    return;
  }
  say("");
  const panel = document.getElementById("feedback");
  const verdict = document.getElementById("verdict");
  const hasReference = feedback.reference !== null;
  verdict.textContent = words[!hasReference ? "no-reference" : feedback.right ? "right" : "different"];
  panel.dataset.right = String(feedback.right);
  document.getElementById("reference").textContent =
    hasReference ? words["reference"].replace("{label}", feedback.reference) : words["no-reference.text"];
  document.getElementById("note").textContent = feedback.note;
  panel.hidden = false;
  save.disabled = true;
  panel.focus();
}

function stuck(text) {
  state.done = true;
  state.busy = false;
  say("");
  tell(text, "waiting", { text: words["go-on"], run: goOn });
}

function again(text) {
  state.busy = false;
  save.removeAttribute("aria-busy");
  for (const control of form.elements) control.disabled = false;
  undo.disabled = item.dataset.undo === "0";
  say(text);
}

function goOn() {
  location.assign("/work");
}

async function takeBack() {
  if (undo.disabled || state.busy) return;
  state.busy = true;
  try {
    const response = await fetch("/api/undo", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ queue: owner }),
    });
    if (response.ok) {
      goOn();
      return;
    }
    // Who is signed in as somebody without labels gets 404.
    if (response.status === 401 || response.status === 404) askToSignIn();
    else tell(words[response.status === 503 ? "storage" : "busy"], "waiting");
  } catch {
    tell(words["offline"], "waiting");
  }
  state.busy = false;
}

// --- Signing in again in place ------------------------------------------------------------------------------------

let asking = false;

function askToSignIn() {
  asking = true;
  if (relogin.open) return;
  relogin.showModal();
  document.getElementById("relogin-password").focus();
}

// What waits can be sent only after signing in, so the question stays. Browsers let a second Escape through.
relogin.addEventListener("cancel", (event) => event.preventDefault());
relogin.addEventListener("close", () => {
  if (asking) askToSignIn();
});

document.getElementById("relogin-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = document.getElementById("relogin-password");
  const error = document.getElementById("relogin-error");
  try {
    const response = await fetch("/api/login", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ login, password: field.value }),
    });
    const result = await response.json();
    if (response.ok) {
      field.value = "";
      error.hidden = true;
      asking = false;
      relogin.close();
      if (result.queue !== owner) {
        location.assign("/");
        return;
      }
      await flush();
      return;
    }
    error.textContent = words[response.status === 401 ? "wrong" : "busy"];
  } catch {
    error.textContent = words["offline"];
  }
  error.hidden = false;
  field.select();
});

// --- Keys ---------------------------------------------------------------------------------------------------------

form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
undo.addEventListener("click", takeBack);
document.getElementById("next").addEventListener("click", goOn);
document.getElementById("help-open").addEventListener("click", () => help.showModal());

function isTyping(target) {
  return target === comment || target.tagName === "SELECT" || (target.tagName === "INPUT" && target.type === "password");
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (relogin.open || help.open) return;
  if (event.key === "Escape" && document.activeElement === comment) {
    comment.blur();
    return;
  }
  if (event.key === "Enter" && !event.shiftKey && (event.target === comment || !isTyping(event.target))) {
    // Buttons and links do what they say; everywhere else Enter saves.
    if (["BUTTON", "A", "SUMMARY"].includes(event.target.tagName)) return;
    event.preventDefault();
    if (!event.repeat) submit();
    return;
  }
  if (!hotkeys.on || isTyping(event.target)) return;
  if (item.dataset.scheme === "grid-11" && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
    event.preventDefault();
    const at = radios.findIndex((radio) => radio.checked);
    const step = event.key === "ArrowLeft" ? -1 : 1;
    // Without a position yet, the first press begins beside the middle: no label is the default.
    choose(at < 0 ? 5 + step : Math.min(radios.length - 1, Math.max(0, at + step)));
    return;
  }
  const index = labelKeys.indexOf(event.key);
  if (index >= 0 && !state.busy && !state.done) {
    event.preventDefault();
    choose(index);
    return;
  }
  const { keys } = hotkeys;
  const key = event.key.toLowerCase();
  const isOnButton = event.target.tagName === "BUTTON" || event.target === medium;
  if (key === keys.play && !(key === " " && isOnButton)) play();
  else if (key === keys.replay) replay();
  else if (key === keys.undo) takeBack();
  else if (key === keys.help) help.showModal();
  else if (state.busy || state.done) return;
  else if (key === keys.cannot) cannot.focus();
  else if (key === keys.comment) comment.focus();
  else if (key === keys.privacy) {
    privacy.checked = !privacy.checked;
    keepDraft();
  } else return;
  event.preventDefault();
});

// --- Other tabs, connection, visibility ---------------------------------------------------------------------------

if (globalThis.BroadcastChannel) {
  const channel = new BroadcastChannel("emomm-annotate");
  const me = newKey();
  channel.addEventListener("message", (event) => {
    const { owner: theirs, tab, kind } = event.data ?? {};
    if (theirs !== owner || tab === me) return;
    if (banner.hidden) tell(words["tabs"], "waiting");
    if (kind === "hello") channel.postMessage({ owner, tab: me, kind: "here" });
  });
  channel.postMessage({ owner, tab: me, kind: "hello" });
}

addEventListener("online", () => {
  if (!state.busy && !state.done) tell("", "");
  flush();
});
addEventListener("offline", () => tell(words["offline"], "waiting"));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) state.hiddenSince = performance.now();
  else if (state.hiddenSince !== null) {
    state.hidden += performance.now() - state.hiddenSince;
    state.hiddenSince = null;
  }
});

if (!(await isKept())) tell(words["no-queue"], "waiting");
await restoreDraft();
await flush();
document.documentElement.dataset.ready = "1";
