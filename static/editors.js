// Editors: of a schedule, of a time, of a status. Each opens in its place, Enter saves, Escape leaves it, and
// focus goes back to what had opened it.
"use strict";

const editorOf = (element) => element && element.closest("[data-editing]");

// What had opened it may be gone by now, or have nothing to offer any more.
function focusOpener(job, id) {
  const opened = byId(id || `job-${job}-edit`) || byId(`job-${job}-link`);
  if (opened) opened.focus();
}

function leaveEditor(editor) {
  const region = editor.closest("[data-passed-over]");
  editor.remove();
  focusOpener(editor.dataset.job, editor.dataset.opener);
  if (region) catchUp(region);
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
  if (!elt.matches("a.edit, .opens")) return;
  const opened = (elt.closest("tbody.job") || target).querySelector("[data-editing]");
  if (opened) { // a draft is not thrown away by asking for it, or for another editor of the same job
    event.preventDefault();
    (opened.querySelector("select, input:not([type=hidden])") || opened.querySelector("a, button")).focus();
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

document.addEventListener("schedule-saved", (event) => focusOpener(event.detail.job, event.detail.opener));

// What the preview finds wrong is said of the field too; the field itself is left alone.
document.addEventListener("htmx:afterSettle", (event) => {
  for (const fault of document.querySelectorAll(".editor .field-error")) {
    const field = byId(fault.dataset.for);
    if (!field) continue;
    if (fault.textContent.trim()) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
  const target = event.detail.target;
  if (target && target.matches(".editing, .editing td, .cell-edit, .in-cell")) target.scrollIntoView({ block: "nearest" });
});

// A job that runs once is edited by its time; the pencil has the whole schedule.
function edit() {
  const row = document.activeElement.closest(".job") || byId("job");
  const opens = row && (row.querySelector(".opens.is-time button") || row.querySelector("a.edit"));
  if (opens) {
    opens.focus();
    opens.click();
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
