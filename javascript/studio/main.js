// main.js – connects the modules with the page that Gradio builds.

/** @import { CardLibrary } from "./lib/types.d.ts" */

import { cardPanel } from "./cards/cards.js";
import { useWord } from "./cards/use.js";
import { extensionList } from "./extensions.js";
import { closest, waitForElement } from "./lib/dom.js";
import { cardLibrary } from "./lib/library.js";
import { completeWords } from "./prompt/completion.js";
import { acceptDroppedPictures } from "./prompt/drag_and_drop.js";
import { hostPage } from "./prompt/host.js";
import { addShortcuts } from "./prompt/keys.js";
import { trackCarets } from "./prompt/prompts.js";
import { countTokens } from "./prompt/tokens.js";
import { embeddingTools } from "./tools/tools.js";
import { trainForm } from "./train/form.js";
import { trainingMonitor } from "./train/monitor.js";
import { suggestTexts } from "./train/suggestions.js";

function start() {
  trackCarets();
  addShortcuts();
  trainForm();
  const library = cardLibrary();
  /** @type {(() => unknown)[]} */
  const refreshes = []; // one for each part of the page that shows the library
  const refresh = () => {
    for (const each of refreshes) each();
  };
  // Gradio builds a tab when it is opened; none waits for another.
  addPromptTools(library, refreshes);
  addMonitor(refresh);
  waitForElement("ti_suggestions").then(suggestTexts);
  waitForElement("ti_tools").then((section) => embeddingTools(section, { onNewEmbedding: refresh }));
  waitForElement("ti_extensions").then(extensionList);
  window.addEventListener("focus", refresh);
  document.addEventListener("ti:checkpoint", refresh);
}

/**
 * Adds the cards, autocompletion and token counters to the txt2img tab.
 *
 * @param {CardLibrary} library
 * @param {(() => unknown)[]} refreshes takes more functions that show the library again
 */
async function addPromptTools(library, refreshes) {
  const panel = waitForElement("ti_cards").then((section) => cardPanel(section, library));
  document.addEventListener("click", async ({ target }) => {
    if (!closest(target, "#ti_cards_button")) return;
    const { toggle } = await panel; // the button may be there first
    document.getElementById("ti_cards_button")?.setAttribute("aria-expanded", String(toggle()));
  });
  (await waitForElement("ti_cards_button")).ariaExpanded ??= "false"; // a click may have come before
  const cards = await panel;
  refreshes.push(() => cards.refresh());
  addTooltips();
  acceptDroppedPictures(await waitForElement("ti_prompts"), "ti_open_picture");
  await Promise.all(["ti_prompt", "ti_negative_prompt"].map(waitForElement));
  const completion = completeWords(library);
  refreshes.push(() => completion.refresh().catch(() => {})); // the cards and the counters show a lost server
  refreshes.push(countTokens());
}

/**
 * Adds the training monitor to the Train tab.
 *
 * @param {() => void} refresh
 */
async function addMonitor(refresh) {
  const [monitor, actions] = await Promise.all(["ti_monitor", "ti_job_actions"].map(waitForElement));
  addTooltips();
  const host = hostPage();
  const onUse = host ? (/** @type {string} */ word) => host.use(word) : openTxt2img;
  trainingMonitor(monitor, actions, { onFinished: refresh, onUse });
}

/** @param {string} word */
function openTxt2img(word) {
  document.getElementById("ti_txt2img-button")?.click();
  useWord(word);
}

/** Gives the tools, which are drawn as icons, their name as a tooltip. */
function addTooltips() {
  /** @type {NodeListOf<HTMLButtonElement>} */
  const tools = document.querySelectorAll("button.ti-tool");
  for (const tool of tools) tool.title = tool.textContent.trim();
}

start();
