// Copies what is shown once. Without a clipboard, as on a page that is not served by https, it selects it.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = byId(button.dataset.copy);
  field.select();
  let words = "Copied.";
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    words = "Selected; copy it with Ctrl+C.";
  }
  byId(`${field.id}-copied`).textContent = words;
});
