// base.js – the functions of A1111's script.js for extensions, and the loading of their scripts in A1111's order.
// These names are global as A1111's: extensions' scripts call them by name.

var opts = {};
var gradioApp = () => document;

(() => {
  const OPTIONS = "ti/options";
  const LOADED_WITH = "ti_prompt"; // this element: the page is built then
  const AFTER_UPDATE_MS = 200;
  const callbacks = {
    update: [],
    afterUpdate: [],
    loaded: [],
    tabChange: [],
    optionsChanged: [],
    optionsAvailable: [],
  };
  const { scripts } = document.currentScript.dataset;
  let isLoaded = false;
  let hasOptions = false;
  let tab = null;
  let timer = null;

  /** Calls all, even after one has failed. */
  function callEach(queue, ...values) {
    for (const callback of queue) {
      try {
        callback(...values);
      } catch (error) {
        console.warn("A script of an extension failed", error);
      }
    }
  }

  window.onUiUpdate = (callback) => callbacks.update.push(callback);
  window.onAfterUiUpdate = (callback) => callbacks.afterUpdate.push(callback);
  window.onUiTabChange = (callback) => callbacks.tabChange.push(callback);
  window.onOptionsChanged = (callback) => callbacks.optionsChanged.push(callback);
  window.onUiLoaded = (callback) => (isLoaded ? callEach([callback]) : callbacks.loaded.push(callback));
  window.onOptionsAvailable = (callback) =>
    hasOptions ? callEach([callback]) : callbacks.optionsAvailable.push(callback);
  window.get_uiCurrentTab = () => document.querySelector('#ti_tabs > .tab-wrapper button[role="tab"].selected');
  window.get_uiCurrentTabContent = () =>
    [...document.querySelectorAll("#ti_tabs > .tabitem")].find((content) => content.checkVisibility()) ?? null;
  window.updateInput = (target) => target.dispatchEvent(new Event("input", { bubbles: true }));

  async function readOptions() {
    const answer = await fetch(OPTIONS);
    if (!answer.ok) return;
    window.opts = await answer.json();
    const waiting = hasOptions ? [] : callbacks.optionsAvailable;
    hasOptions = true;
    callEach(waiting);
    callEach(callbacks.optionsChanged);
  }

  function onMutations(mutations) {
    if (!isLoaded && document.getElementById(LOADED_WITH)) {
      isLoaded = true;
      callEach(callbacks.loaded);
    }
    callEach(callbacks.update, mutations);
    clearTimeout(timer);
    timer = setTimeout(() => callEach(callbacks.afterUpdate), AFTER_UPDATE_MS);
    const selected = window.get_uiCurrentTab();
    if (selected && selected !== tab) {
      tab = selected;
      callEach(callbacks.tabChange);
    }
  }

  function load(address, type) {
    const script = document.createElement("script");
    script.async = false; // in this order
    script.type = type;
    script.src = address;
    document.head.append(script);
    return new Promise((resolve) => {
      script.onload = script.onerror = resolve;
    });
  }

  const { plain, modules } = JSON.parse(scripts);
  Promise.all([
    ...plain.map((address) => load(address, "text/javascript")),
    ...modules.map((address) => load(address, "module")),
  ]).then(() => {
    // After all scripts have run: their callbacks are called once for the page as it is.
    new MutationObserver(onMutations).observe(document.body, { childList: true, subtree: true });
    onMutations([]);
    document.addEventListener("ti-options-changed", () => readOptions().catch(() => {}));
    readOptions().catch(() => {});
  });
})();
