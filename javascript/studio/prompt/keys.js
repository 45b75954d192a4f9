// keys.js – Ctrl+Enter generates, Escape interrupts.

/**
 * Returns the button of this id if it is visible.
 *
 * @param {string} id
 */
function visibleButton(id) {
  const button = document.getElementById(id);
  return button?.checkVisibility() ? button : null;
}

/** Adds the page's keyboard shortcuts. */
export function addShortcuts() {
  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const generate = visibleButton("ti_generate");
      if (!generate) return;
      event.preventDefault();
      generate.click();
    } else if (event.key === "Escape") {
      visibleButton("ti_interrupt")?.click();
    }
  });
}
