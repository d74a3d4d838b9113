// Rows that are ticked, to change several at once. No swap takes the ticks away, but from rows that are gone.
"use strict";

const ticked = new Set();
let isAllTicked = false;
const boxes = () => [...document.querySelectorAll(".pick input[name=selected]")];

// The list of schedules rests while rows are ticked or an editor is open.
function isChoosing(region) {
  return Boolean(region.querySelector(".pick input[name=selected]:checked, #matching:checked, .editing form"));
}

function showTicks() {
  const shown = new Set(boxes().map((box) => box.value));
  for (const id of ticked) if (!shown.has(id)) ticked.delete(id);
  const bulk = byId("bulk");
  if (!bulk) return;
  const count = ticked.size;
  const matching = byId("matching"); // where all are on the page, there may be none
  const isAll = isAllTicked && Boolean(matching) && !matching.disabled;
  if (matching) matching.checked = isAll;
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
  isAllTicked = Boolean(byId("matching") && byId("matching").checked);
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
  if (["bulk-change", "sequence"].includes(requestConfig.elt.id) && target === byId("notices") && xhr.status < 400) {
    ticked.clear();
    isAllTicked = false;
    byId("notices").scrollIntoView({ block: "nearest" });
    // What opened the dialog is disabled now: the next thing is what was started, or the page.
    setTimeout(() => (document.querySelector("#sequence-started a") || byId("main")).focus({ preventScroll: true }));
  }
  showTicks();
});

// Settling takes back what was said of the bar in between.
document.addEventListener("htmx:afterSettle", showTicks);

// Whoever types into one of the two ways to move means that one.
document.addEventListener("input", (event) => {
  const way = event.target.closest(".bulk-move .inline-fields");
  if (way && event.target.type !== "radio") way.querySelector("input[type=radio]").checked = true;
}, true);

function tick() {
  const row = document.activeElement.closest(".job");
  const box = row && row.querySelector(".pick input");
  if (box) box.click();
}

function toBulk() {
  const first = document.querySelector("#bulk.is-on button:not(:disabled)");
  if (first) first.focus();
}

readTicks();
