// What the pages do beyond links and forms: dialogs, keys, fresh words for old times, and polls that
// never disturb whoever is at work. Without this file every page still works.
"use strict";

document.documentElement.classList.add("has-script");

const SLOWEST_MS = 10000;
const STALE_MS = 30000; // three periods of the slowest poll, the heartbeat's
const GLANCE_MS = 1500; // what a tab that is shown again has for its first answer
const polls = {
  failures: 0, quietUntil: 0, lastGood: null, shownAt: 0, isStale: false, sessionEnded: false, pressing: false,
};
const kept = { open: new Set(), follow: true, scroll: 0 };
let skew = 0; // the server's clock minus this one's, in ms
let learnt = null; // the instant of the heartbeat that the clock was set by
let opener = null; // the id of what opened the dialog

const byId = (id) => document.getElementById(id);
const now = () => new Date(Date.now() + skew);
const isPoll = (element) => element.hasAttribute && element.hasAttribute("data-poll");
const isText = (element) => element && element.matches("input:not([type=checkbox]):not([type=hidden]), textarea, select");

// Times: the same words as the server's.

function span(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}

function inWords(kind, seconds) {
  if (kind === "elapsed") return span(Math.max(-seconds, 0));
  if (kind === "due" && seconds <= 0) return seconds > -60 ? "due now" : `${span(-seconds)} late`;
  if (Math.abs(seconds) >= 18 * 3600) return null; // a day's name does not age by the second
  if (seconds > -5 && seconds < 1) return seconds < 0 ? "just now" : "now";
  return seconds > 0 ? `in ${span(seconds)}` : `${span(-seconds)} ago`;
}

function refreshTimes(selector) {
  if (polls.isStale) return; // what nobody confirms does not tick
  for (const element of document.querySelectorAll(selector)) {
    const words = inWords(element.dataset.relative, (new Date(element.dateTime) - now()) / 1000);
    if (words !== null && element.textContent !== words) element.textContent = words;
  }
}

// Only from a heartbeat that has just come: by an older one the clock would go back.
function learnClock() {
  const pulse = byId("pulse");
  if (!pulse || pulse.dataset.now === learnt) return;
  learnt = pulse.dataset.now;
  skew = new Date(learnt) - Date.now();
}

// Polls: hidden tabs rest, a region at work is left alone, a failure slows down and blanks nothing.

function isBusy(region) {
  const focused = document.activeElement;
  const isHalfFilled = [...region.querySelectorAll("input[type=text], textarea")].some((field) => field.value !== field.defaultValue);
  // An editor that was asked for would come into a place that is gone.
  return Boolean(region.querySelector("dialog[open], a.edit.htmx-request")) || (region.contains(focused) && isText(focused)) || isHalfFilled || isChoosing(region);
}

function mayPoll(region) {
  return !document.hidden && !polls.sessionEnded && Date.now() >= polls.quietUntil && !isBusy(region);
}

function clockWords(date) {
  const zone = byId("pulse") && byId("pulse").dataset.zone;
  return date.toLocaleTimeString("en-GB", { hourCycle: "h23", timeZone: zone || undefined });
}

function failed(retryAfter) {
  polls.failures += 1;
  const wait = Math.max(1000 * 2 ** Math.min(polls.failures, 6), 1000 * (retryAfter || 0));
  polls.quietUntil = Date.now() + Math.min(wait, SLOWEST_MS);
  becomeStale();
}

// A page that is not live does not look so: it says since when, greys its lights and stops its counters.
function becomeStale() {
  const notice = byId("stale");
  if (!notice) return;
  const why = polls.sessionEnded ? "your session has ended" : "the console does not answer; trying again";
  const words = `stale since ${clockWords(polls.lastGood)}: ${why}`;
  polls.isStale = true;
  document.documentElement.classList.add("is-stale");
  notice.hidden = false;
  if (notice.textContent !== words) notice.textContent = words;
}

function succeeded() {
  polls.failures = 0;
  polls.quietUntil = 0;
  polls.lastGood = now();
  if (!polls.isStale) return;
  polls.isStale = false;
  document.documentElement.classList.remove("is-stale");
  byId("stale").hidden = true;
  refreshTimes("time[data-relative]");
  wake();
}

// Asks at once, and through the heartbeat's answer also for what else has changed.
function wake() {
  if (byId("pulse") && window.htmx) window.htmx.trigger("#pulse", "refresh");
}

// Also an answer that never comes makes a page stale; and a stale one asks again as soon as it may.
function watchAge() {
  if (document.hidden || !byId("pulse")) return;
  const isShown = Date.now() - polls.shownAt > GLANCE_MS;
  if (isShown && now() - polls.lastGood > STALE_MS) becomeStale();
  if (polls.isStale && !polls.sessionEnded && Date.now() >= polls.quietUntil) wake();
}

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isPoll(event.detail.elt) && !mayPoll(event.detail.elt)) event.preventDefault();
});

document.addEventListener("htmx:sendError", (event) => unsent(event.detail.elt));
document.addEventListener("htmx:timeout", (event) => unsent(event.detail.elt));

function unsent(asker) {
  if (isPoll(asker)) failed(0);
  else if (asker.closest(".editor-body")) editorOf(asker).querySelector(".unanswered").hidden = false;
  else sayUnsent(editorOf(asker) || asker.matches(".saves-once") ? "Saving again is safe: nothing is saved twice." : "Pressing again is safe: one click makes one run.");
}

document.addEventListener("htmx:afterRequest", (event) => {
  const { xhr, requestConfig } = event.detail;
  // Not detail.elt: when the answer has taken its asker's place, the event is an ancestor's.
  if (!requestConfig || !isPoll(requestConfig.elt) || !xhr || xhr.status === 0) return;
  if (xhr.status < 400) {
    succeeded();
  } else if (xhr.status === 401) {
    polls.sessionEnded = true;
    becomeStale();
  } else failed(Number(xhr.getResponseHeader("Retry-After")));
});

function sayUnsent(comfort) {
  if (byId("unsent")) byId("unsent").remove();
  const text = document.createElement("p");
  text.id = "unsent";
  text.className = "notice is-warn";
  text.textContent = `The console does not answer; the request may not have arrived. ${comfort}`;
  const place = byId("dialog").open ? byId("dialog") : byId("notices");
  place.append(text);
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, elt } = event.detail;
  const isPolled = isPoll(elt);
  if (xhr.status === 401) event.detail.shouldSwap = true;
  else if (isPolled) event.detail.shouldSwap = event.detail.shouldSwap && xhr.status < 400 && !polls.pressing && !isBusy(elt);
  else if (xhr.status >= 400) event.detail.shouldSwap = true;
  if (event.detail.shouldSwap) remember();
});

// A click begins on one element and must end on the same one: no swap in between.
document.addEventListener("pointerdown", () => { polls.pressing = true; });
for (const name of ["pointerup", "pointercancel"]) {
  document.addEventListener(name, () => setTimeout(() => { polls.pressing = false; }));
}

document.addEventListener("visibilitychange", () => {
  polls.shownAt = Date.now();
  if (!document.hidden) wake();
});

// What a swap must not lose: opened details, and the place in a log.

function remember() {
  for (const element of document.querySelectorAll("details[id]")) {
    if (element.open) kept.open.add(element.id);
    else kept.open.delete(element.id);
  }
  if (byId("log")) kept.scroll = byId("log").scrollTop;
}

function restore() {
  for (const id of kept.open) if (byId(id)) byId(id).open = true;
  const log = byId("log");
  if (byId("follow")) byId("follow").checked = kept.follow;
  if (log) log.scrollTop = kept.follow && byId("follow") ? log.scrollHeight : kept.scroll;
}

document.addEventListener("change", (event) => {
  if (event.target.id === "follow") {
    kept.follow = event.target.checked;
    restore();
  }
  const form = event.target.closest("form[data-submit]");
  // A date is whole before it is meant: it waits for Enter or the button.
  if (form && event.target.type !== "date") form.requestSubmit();
});

document.addEventListener("scroll", (event) => {
  const log = event.target;
  if (log.id !== "log" || !byId("follow")) return;
  kept.follow = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  byId("follow").checked = kept.follow;
}, true);

// At once, lest a log jump to its top for a moment; and again, for settling takes attributes back.
document.addEventListener("htmx:afterSwap", restore);
document.addEventListener("htmx:afterSettle", () => {
  learnClock();
  restore();
});

// Dialogs: the answer to a confirmation opens one; any other answer closes it.

// It opens when htmx has taken its form over, so that not even the quickest Enter submits it by itself.
document.addEventListener("htmx:afterSettle", (event) => {
  const dialog = byId("dialog");
  if (event.detail.target !== dialog) return;
  if (!dialog.open) dialog.showModal();
  const first = dialog.querySelector("[autofocus]") || byId("cancel");
  if (first) first.focus();
});

document.addEventListener("htmx:afterSwap", (event) => {
  const { requestConfig, target } = event.detail;
  if (requestConfig.elt.closest("#dialog") && !byId("dialog").contains(target)) byId("dialog").close();
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target === byId("dialog") && !byId("dialog").open) {
    opener = document.activeElement && document.activeElement.id;
  }
});

document.addEventListener("close", (event) => {
  if (event.target.id !== "dialog") return;
  event.target.replaceChildren();
  const button = opener && byId(opener);
  if (button && !button.disabled) button.focus();
  else if (button) focusRow(button.closest(".job"));
}, true);

document.addEventListener("click", (event) => {
  const closer = event.target.closest("[data-close]");
  const dialog = closer && closer.closest("dialog");
  if (dialog) {
    event.preventDefault();
    dialog.close();
  } else if (event.target.matches("dialog[open]")) {
    event.target.close(); // the backdrop
  }
});

// The schedule editor: it opens in its place, Escape leaves it, and focus goes back to where it was opened.

const editorOf = (element) => element && element.closest("[data-editing]");

function focusEdit(job) {
  const link = byId(`job-${job}-edit`);
  if (link) link.focus();
}

function leaveEditor(editor) {
  editor.remove();
  focusEdit(editor.dataset.job);
  window.htmx.trigger(document.body, "jobs-changed"); // what changed while it was open
}

document.addEventListener("click", (event) => {
  const cancel = event.target.closest("[data-cancel]");
  const dismiss = event.target.closest("[data-dismiss]");
  if (cancel && window.htmx) {
    event.preventDefault();
    leaveEditor(editorOf(cancel));
  }
  if (dismiss) byId(dismiss.dataset.dismiss).remove();
});

document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt, target } = event.detail;
  const opened = elt.matches("a.edit") && target.querySelector("[data-editing]");
  if (opened) { // a draft is not thrown away by asking for it again
    event.preventDefault();
    opened.querySelector("select, input:not([type=hidden])").focus();
  }
});

// A preview of what is no longer typed is dropped whole: the next one is on its way, and fields and cron agree.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { elt, parameters } = event.detail.requestConfig;
  const fields = elt.closest(".editor-body");
  if (!fields || !parameters) return;
  const isOld = ["type", "time", "weekday", "day", "cron"].some((name) => fields.querySelector(`[name=${name}]`).value !== parameters[name]);
  if (isOld) event.detail.shouldSwap = false;
});

document.addEventListener("schedule-saved", (event) => focusEdit(event.detail.job));

// What the preview finds wrong is said of the field too; the field itself is left alone.
document.addEventListener("htmx:afterSettle", (event) => {
  for (const fault of document.querySelectorAll(".editor .field-error")) {
    const field = byId(fault.dataset.for);
    if (!field) continue;
    if (fault.textContent.trim()) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
  const target = event.detail.target;
  if (target && target.matches(".editing, .editing td")) target.scrollIntoView({ block: "nearest" });
});

function edit() {
  const row = document.activeElement.closest(".job") || byId("job");
  const link = row && row.querySelector("a.edit");
  if (link) {
    link.focus();
    link.click();
  }
}

// In an editor Enter saves, wherever one is, and Escape leaves; no other key means anything.
function pressInEditor(event, editor) {
  if (event.key === "Escape" && editor.dataset.editing !== "page") {
    event.preventDefault();
    // From a field with suggestions the first one only leaves those.
    if (event.target.matches("input[list]")) editor.querySelector("button[type=submit]").focus();
    else leaveEditor(editor);
  } else if (event.key === "Enter" && event.target.matches("select")) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
}

// Keys: j k move, Enter is the link's own, s sends, e edits, / searches, ? helps.

function focusRow(row) {
  const link = row && row.querySelector(".job-link");
  if (link) link.focus();
}

function move(step) {
  const rows = [...document.querySelectorAll(".list .job")].filter((row) => row.querySelector(".job-link"));
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  focusRow(rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1)]);
}

function send() {
  const row = document.activeElement.closest(".job") || document.querySelector("#job .head");
  const button = row && row.querySelector("button.send:not(:disabled)");
  if (button) {
    button.focus();
    button.click();
  }
}

const KEYS = {
  "/": () => { byId("q").focus(); byId("q").select(); },
  j: () => move(1),
  k: () => move(-1),
  s: send,
  e: edit,
  "?": () => byId("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const editor = editorOf(document.activeElement);
  if (editor) {
    pressInEditor(event, editor);
    return;
  }
  if (isText(document.activeElement)) {
    if (event.key === "Escape") document.activeElement.blur();
    return;
  }
  if (byId("q") && KEYS[event.key]) {
    event.preventDefault();
    KEYS[event.key]();
  }
});

// Schedules: while rows are ticked or an editor is open the list rests, and no swap takes the ticks away.

const ticked = new Set();
const boxes = () => [...document.querySelectorAll(".pick input[name=selected]")];

function isChoosing(region) {
  return Boolean(region.querySelector(".pick input[name=selected]:checked, #matching:checked, .editing form"));
}

function showTicks() {
  const bulk = byId("bulk");
  if (!bulk) return;
  const count = ticked.size;
  const isAll = byId("matching").checked;
  for (const box of boxes()) {
    box.checked = ticked.has(box.value);
    box.disabled = isAll;
  }
  byId("all-on-page").checked = count > 0 && count === boxes().length;
  byId("all-on-page").indeterminate = count > 0 && count < boxes().length;
  byId("bulk-count").textContent = isAll ? "All are selected" : count ? `${count} selected` : "Tick rows to change several at once";
  bulk.classList.toggle("is-on", count > 0 || isAll);
  for (const button of bulk.querySelectorAll("button")) button.disabled = !count && !isAll;
}

function readTicks() {
  ticked.clear();
  for (const box of boxes()) if (box.checked) ticked.add(box.value);
  showTicks();
}

document.addEventListener("change", (event) => {
  if (event.target.id === "all-on-page") for (const box of boxes()) box.checked = event.target.checked;
  if (event.target.closest(".pick, #bulk")) readTicks();
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id === "bulk") opener = document.activeElement && document.activeElement.id;
});

// A change that was made ends the selection; then the list, told by the answer, reads itself again.
document.addEventListener("htmx:afterSwap", (event) => {
  const { requestConfig, target, xhr } = event.detail;
  if (requestConfig.elt.id === "bulk-change" && target === byId("notices") && xhr.status < 400) {
    ticked.clear();
    byId("matching").checked = false;
    byId("notices").scrollIntoView({ block: "nearest" });
    setTimeout(() => byId("main").focus({ preventScroll: true })); // what opened the dialog is disabled now
  } else {
    const shown = new Set(boxes().map((box) => box.value));
    for (const id of ticked) if (!shown.has(id)) ticked.delete(id);
  }
  showTicks();
});

KEYS.x = () => {
  const row = document.activeElement.closest(".job");
  const box = row && row.querySelector(".pick input");
  if (box) box.click();
};

readTicks();
learnClock();
polls.lastGood = now();
restore();
setInterval(watchAge, 1000);
setInterval(() => refreshTimes("time[data-relative=elapsed]"), 1000);
setInterval(() => refreshTimes("time[data-relative]"), 5000);
