// Dialogs: the answer to a confirmation opens one; any other answer closes it.
"use strict";

let opener = null; // the id of what opened the dialog
let openedAt = null; // and its place
let leaving = null; // the place of the focus, whose region is about to be swapped

// It opens when htmx has taken its form over, so that not even the quickest Enter submits it by itself.
document.addEventListener("htmx:afterSettle", (event) => {
  const dialog = byId("dialog");
  if (event.detail.target !== dialog) return;
  const isNew = !dialog.open;
  if (isNew) dialog.showModal();
  dialog.querySelectorAll("[data-labels]").forEach(relabel); // a refused form comes back as it was typed
  const first = dialog.querySelector("[autofocus]") || byId("cancel");
  if (first) first.focus({ preventScroll: isNew });
  if (isNew) dialog.scrollTop = 0; // what is asked is read before it is answered
});

document.addEventListener("htmx:afterSwap", (event) => {
  const { requestConfig, target } = event.detail;
  const place = target.isConnected ? target : byId(target.id); // what took the target's place
  if (requestConfig.elt.closest("#dialog") && !byId("dialog").contains(place)) byId("dialog").close();
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target === byId("dialog") && !byId("dialog").open) {
    opener = document.activeElement && document.activeElement.id;
    openedAt = placeOf(document.activeElement);
  }
});

document.addEventListener("close", (event) => {
  if (event.target.id !== "dialog") return;
  event.target.replaceChildren();
  const button = opener && byId(opener);
  const sheet = button && !button.getClientRects().length && button.closest("[popover]");
  if (sheet) document.querySelector(`[popovertarget=${sheet.id}]`).focus(); // the button's sheet has closed meanwhile
  else if (button && !button.disabled) button.focus();
  else if (button) focusRow(button.closest(".job"));
  else if (document.activeElement === document.body) { // the button is gone
    land(openedAt);
    if (document.activeElement === document.body) byId("main").focus({ preventScroll: true });
  }
}, true);

// What a poll or a decision takes away takes no focus with it.

document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.shouldSwap || !event.detail.target.contains(document.activeElement)) return;
  leaving = placeOf(document.activeElement);
});

document.addEventListener("htmx:afterSettle", () => {
  if (document.activeElement === document.body) land(leaving);
  leaving = null;
});

const rowsOf = (region) => [...region.querySelectorAll(".list .job")].filter((row) => row.querySelector(".job-link"));

// The region that an element stands in, and the number of its row there.
function placeOf(element) {
  const region = element && element.closest("[data-poll][id]");
  return region && { id: region.id, at: rowsOf(region).indexOf(element.closest(".job")) };
}

// In the row that is there now, or the last one; where none is left, on what stands there instead.
function land(place) {
  const region = place && byId(place.id);
  if (!region) return;
  const rows = place.at < 0 ? [] : rowsOf(region);
  if (rows.length) focusRow(rows[Math.min(place.at, rows.length - 1)]);
  else region.querySelector("[data-landing]")?.focus();
}

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

// A confirmation that is a page of its own answers as pages do: there is no row or dialog to put the answer into.
document.addEventListener("submit", (event) => {
  if (event.target.closest("[data-plain]")) event.stopPropagation(); // before htmx hears of it
}, true);

// A folded field that is wrong is seen, and a button says what it will do.
document.addEventListener("invalid", (event) => {
  const folded = event.target.closest("details");
  if (folded) folded.open = true;
}, true);

document.addEventListener("input", (event) => relabel(event.target));

function relabel(field) {
  const { labels, label } = field.dataset;
  const button = labels && field.form.querySelector(labels);
  if (!button) return;
  if (!button.dataset.now) button.dataset.now = button.textContent;
  button.textContent = field.value ? label : button.dataset.now;
}
