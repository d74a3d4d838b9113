// The drawing of a chain: its own job is in sight from the start, and a poll moves nothing.
"use strict";

const drawing = { left: null };

function showDrawing() {
  const box = document.querySelector(".chain-drawing");
  const self = box && box.querySelector(".is-self rect");
  if (!self) return;
  const middle = self.x.baseVal.value + (self.width.baseVal.value - box.clientWidth) / 2;
  box.scrollLeft = drawing.left === null ? middle : drawing.left;
}

document.addEventListener("scroll", (event) => {
  if (event.target.matches && event.target.matches(".chain-drawing")) drawing.left = event.target.scrollLeft;
}, true);

document.addEventListener("htmx:afterSwap", showDrawing);
showDrawing();
