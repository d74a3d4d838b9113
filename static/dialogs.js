// Dialogs: the answer to a confirmation opens one; any other answer closes it.
"use strict";

let opener = null; // the id of what opened the dialog

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
  }
});

document.addEventListener("close", (event) => {
  if (event.target.id !== "dialog") return;
  event.target.replaceChildren();
  const button = opener && byId(opener);
  if (button && !button.disabled) button.focus();
  else if (button) focusRow(button.closest(".job"));
  else if (document.activeElement === document.body) byId("main").focus({ preventScroll: true }); // the button is gone
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
