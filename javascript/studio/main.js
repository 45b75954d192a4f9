// main.js – finds the places that the page leaves for these modules, and joins them.

import { cardPicker } from "./cards/cards.js";
import { useWord } from "./cards/use.js";
import { completeWords } from "./prompt/completion.js";
import { whenThere } from "./lib/dom.js";
import { readDroppedPictures } from "./prompt/drag_and_drop.js";
import { extensionList } from "./extensions.js";
import { trainForm } from "./train/form.js";
import { hostPage } from "./prompt/host.js";
import { watchKeys } from "./prompt/keys.js";
import { cardLibrary } from "./lib/library.js";
import { trainingMonitor } from "./train/monitor.js";
import { watchPrompts } from "./prompt/prompts.js";
import { suggestTexts } from "./train/suggestions.js";
import { countTokens } from "./prompt/tokens.js";
import { embeddingTools } from "./tools/tools.js";

function start() {
  watchPrompts();
  watchKeys();
  trainForm();
  const library = cardLibrary();
  const shown = []; // refreshes what is drawn of the library so far
  const refresh = () => shown.forEach((again) => again());
  // A tab is drawn when it is opened; none waits for another.
  drawPrompts(library, shown);
  drawTraining(refresh);
  whenThere("ti_suggestions").then(suggestTexts);
  whenThere("ti_tools").then((place) => embeddingTools(place, { onMade: refresh }));
  whenThere("ti_extensions").then(extensionList);
  window.addEventListener("focus", refresh);
  document.addEventListener("ti:checkpoint", refresh);
}

/** Draws what helps in the txt2img tab: the cards, and what is told of a prompt while it is typed. */
async function drawPrompts(library, shown) {
  const made = whenThere("ti_cards").then((section) => cardPicker(section, library));
  document.addEventListener("click", async ({ target }) => {
    if (!target.closest("#ti_cards_button")) return;
    const picker = await made; // the button may be there first
    document.getElementById("ti_cards_button").setAttribute("aria-expanded", String(picker.toggle()));
  });
  (await whenThere("ti_cards_button")).ariaExpanded ??= "false"; // a click may have come before
  const cards = await made;
  shown.push(() => cards.refresh());
  nameTools();
  readDroppedPictures(await whenThere("ti_prompts"), "ti_open_picture");
  await Promise.all(["ti_prompt", "ti_negative_prompt"].map(whenThere));
  const completion = completeWords(library);
  shown.push(() => completion.refresh().catch(() => {})); // the cards and the counters say that the server is gone
  shown.push(countTokens());
}

/** Draws the monitor of the Train tab. */
async function drawTraining(refresh) {
  const [monitor, actions] = await Promise.all(["ti_monitor", "ti_job_actions"].map(whenThere));
  nameTools();
  const host = hostPage();
  trainingMonitor(monitor, actions, { onFinished: refresh, onUse: host ? (word) => host.use(word) : openTxt2img });
}

function openTxt2img(word) {
  document.getElementById("ti_txt2img-button")?.click();
  useWord(word);
}

/** Tools show an icon; their name is a tooltip. */
function nameTools() {
  for (const tool of document.querySelectorAll("button.ti-tool")) tool.title = tool.textContent.trim();
}

start();
