// The log of a run: lines are added at its end, and whoever reads there stays there until they scroll up.
"use strict";

const reader = { follows: true };

function toEnd() {
  const log = byId("log");
  if (log && byId("follow") && reader.follows) log.scrollTop = log.scrollHeight;
}

document.addEventListener("change", (event) => {
  if (event.target.id !== "follow") return;
  reader.follows = event.target.checked;
  toEnd();
});

document.addEventListener("scroll", (event) => {
  const log = event.target;
  if (log.id !== "log" || !byId("follow")) return;
  reader.follows = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  byId("follow").checked = reader.follows;
}, true);

document.addEventListener("htmx:afterSwap", toEnd);
toEnd();
