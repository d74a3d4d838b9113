// Keys: j k move, Enter is the link's own, s sends, e edits, x ticks, b goes to the bar, a and r decide, / searches, ? helps.
"use strict";

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

// A decision on the request in focus, or on the one whose page this is.
function press(name) {
  const place = document.activeElement.closest(".job") || document.querySelector("#approval .head");
  const button = place && place.querySelector(`button.${name}:not(:disabled)`);
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
  x: tick,
  b: toBulk,
  a: () => press("approve"),
  r: () => press("reject"),
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
