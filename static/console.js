// What the pages do beyond links and forms: fresh words for old times, and polls that never disturb whoever
// is at work. The files beside this one, which share its names: table.js (a poll between rows that are being
// edited), dialogs.js, editors.js, keys.js, log.js and selection.js. Without any of them every page still works.
"use strict";

document.documentElement.classList.add("has-script");

// On a phone tabs are wider than the window: the one that is open is brought into it.
for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
  const row = tab.parentElement;
  row.scrollLeft += tab.getBoundingClientRect().right - row.getBoundingClientRect().right;
}

const SLOWEST_MS = 10000;
const STALE_MS = 30000; // three periods of the slowest poll, the heartbeat's
const GLANCE_MS = 1500; // what a tab that is shown again has for its first answer
const polls = {
  failures: 0, quietUntil: 0, lastGood: null, shownAt: 0, isStale: false, sessionEnded: false, pressing: false,
};
const kept = { open: new Set() };
let skew = 0; // the server's clock minus this one's, in ms
let learnt = null; // the instant of the heartbeat that the clock was set by

const byId = (id) => document.getElementById(id);
const now = () => new Date(Date.now() + skew);
const isPoll = (element) => element.hasAttribute && element.hasAttribute("data-poll");
const isText = (element) => element && element.matches("input:not([type=checkbox]):not([type=hidden]), textarea, select");

// Times: the same words as the server's.

const MINUTE = 60;
const HOUR = 3600;

function span(seconds, ticks = false) {
  const whole = Math.floor(seconds);
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) {
    return ticks && whole < 10 * MINUTE ? two(whole, MINUTE, "min", 1, "s") : `${Math.floor(whole / MINUTE)} min`;
  }
  if (whole < 10 * HOUR) return two(whole, HOUR, "h", MINUTE, "min");
  const hours = Math.floor((whole + HOUR / 2) / HOUR);
  return hours < 48 ? `${hours} h` : two(hours, 24, "d", 1, "h");
}

function two(count, large, unit, small, lesser) {
  const rest = Math.floor((count % large) / small);
  return `${Math.floor(count / large)} ${unit}${rest ? ` ${rest} ${lesser}` : ""}`;
}

function inWords(kind, seconds) {
  if (kind === "elapsed") return span(Math.max(-seconds, 0), true);
  if (kind === "due" && seconds < 0) return seconds > -60 ? "due now" : `${span(-seconds)} late`;
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
  if (isMerged(region)) return false; // each of its rows is asked by itself
  const focused = document.activeElement;
  const isHalfFilled = [...region.querySelectorAll("input[type=text], textarea")].some((field) => field.value !== field.defaultValue);
  // An editor that was asked for would come into a place that is gone.
  return Boolean(region.querySelector("dialog[open], a.edit.htmx-request")) || (region.contains(focused) && isText(focused)) || isHalfFilled || isChoosing(region);
}

function mayPoll(region) {
  const rests = document.hidden || polls.sessionEnded || region.hasAttribute("data-gone");
  return !rests && Date.now() >= polls.quietUntil && !isBusy(region);
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
  } else if (xhr.status === 404) {
    gone(requestConfig.elt);
  } else failed(Number(xhr.getResponseHeader("Retry-After")));
});

// What was deleted while one looked at it: the console does answer, and asking again would not bring it back.
function gone(region) {
  succeeded();
  if (region.hasAttribute("data-gone")) return;
  region.setAttribute("data-gone", "");
  const text = document.createElement("p");
  text.className = "notice is-warn";
  text.setAttribute("role", "status");
  text.textContent = "This is no longer here: it was deleted after the page was opened. What stands below is how it was last.";
  region.prepend(text);
}

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
  const { xhr, elt, requestConfig } = event.detail;
  const asker = requestConfig.elt;
  const isPolled = isPoll(elt) && (asker === elt || !elt.contains(asker)); // a form may replace its own region
  if (xhr.status === 401) event.detail.shouldSwap = true;
  else if (isPolled) event.detail.shouldSwap = event.detail.shouldSwap && xhr.status < 400 && !polls.pressing && !isBusy(elt);
  else if (xhr.status >= 400) event.detail.shouldSwap = true;
  if (!event.detail.shouldSwap) return;
  remember();
  if (isPolled && isMerged(elt) && rowsAtWork(elt).length) {
    event.detail.shouldSwap = false;
    merge(elt, event.detail.serverResponse);
  }
});

// A click begins on one element and must end on the same one: no swap in between.
document.addEventListener("pointerdown", () => { polls.pressing = true; });
for (const name of ["pointerup", "pointercancel"]) {
  document.addEventListener(name, () => setTimeout(() => { polls.pressing = false; }));
}

// What has come a moment ago, with the page or with a poll, may not be htmx's yet: a press makes it so first,
// lest it be followed as the plain link or form that it also is.
function adopt(event) {
  const asker = event.target instanceof Element && event.target.closest("form, [hx-get], [hx-post]");
  if (asker && window.htmx) window.htmx.process(asker);
}

document.addEventListener("click", adopt, true);
document.addEventListener("submit", adopt, true);

document.addEventListener("visibilitychange", () => {
  polls.shownAt = Date.now();
  if (!document.hidden) wake();
});

// On a narrow screen what else stands in the page is a sheet above it.
const isSheet = (place) => Boolean(place) && getComputedStyle(place).position === "fixed";

// What a swap must not lose: opened details.

function remember() {
  for (const element of document.querySelectorAll("details[id]")) {
    if (element.open) kept.open.add(element.id);
    else kept.open.delete(element.id);
  }
}

function restore() {
  for (const id of kept.open) if (byId(id)) byId(id).open = true;
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-submit]");
  // A date or an address is whole before it is meant: it waits for Enter or the button, as all of a sheet does.
  if (form && !isSheet(form.closest("[popover]")) && !["date", "text"].includes(event.target.type)) form.requestSubmit();
});

// At once, lest what stood open jump; and again, for settling takes attributes back.
document.addEventListener("htmx:afterSwap", restore);
document.addEventListener("htmx:afterSettle", () => {
  learnClock();
  restore();
});

learnClock();
polls.lastGood = now();
restore();
setInterval(watchAge, 1000);
setInterval(() => refreshTimes("time[data-relative=elapsed]"), 1000);
setInterval(() => refreshTimes("time[data-relative]"), 5000);
