// The job table while rows of it are being edited: a poll renews all the others around them. A row at work
// never leaves its place in the page, so that what was typed, the caret and the focus stay.
"use strict";

const isMerged = (region) => region.hasAttribute("data-merge");

// An editor stands open in it, or is on its way into it.
function rowsAtWork(region) {
  const work = "[data-editing], a.edit.htmx-request, .opens.htmx-request";
  return [...region.querySelectorAll("tbody.job")].filter((row) => row.querySelector(work));
}

function merge(region, text) {
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById(region.id);
  const table = region.querySelector("table.list");
  const focused = document.activeElement && document.activeElement.id;
  const kept = rowsAtWork(region);
  for (const { name, value } of [...fresh.attributes]) region.setAttribute(name, value);
  for (const piece of fresh.querySelectorAll(":scope > [id]")) byId(piece.id)?.replaceWith(piece);
  placeRows(table, [...fresh.querySelectorAll("tbody.job")], kept);
  region.dataset.passedOver = ""; // its version is the newest, and some of its rows are not
  window.htmx.process(region);
  if (document.activeElement === document.body && focused) byId(focused)?.focus({ preventScroll: true });
  restore();
  showTicks();
}

function placeRows(table, rows, kept) {
  for (const row of [...table.tBodies]) if (!kept.includes(row)) row.remove();
  let next = 0; // the first of the kept rows before which new ones are put
  for (const row of rows) {
    const at = kept.findIndex((other) => other.id === row.id);
    if (at < 0) table.insertBefore(row, kept[next] || null);
    else next = Math.max(next, at + 1);
  }
}

// What polls passed over is asked for again: without a version the answer is never that nothing is new.
function catchUp(region) {
  const address = new URL(region.getAttribute("hx-get"), window.location.href);
  address.searchParams.delete("version");
  region.setAttribute("hx-get", address.pathname + address.search);
  window.htmx.process(region);
}
