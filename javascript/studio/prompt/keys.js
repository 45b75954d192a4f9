// keys.js – Ctrl+Enter generates, Escape interrupts.

function visible(id) {
  const button = document.getElementById(id);
  return button?.checkVisibility() ? button : null;
}

/** Listens for the page's keys. */
export function watchKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && visible("ti_generate")) {
      event.preventDefault();
      visible("ti_generate").click();
    } else if (event.key === "Escape") {
      visible("ti_interrupt")?.click();
    }
  });
}
