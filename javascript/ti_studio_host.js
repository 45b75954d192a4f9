// ti_studio_host.js – loaded by A1111, Forge and reForge into their own page. It shows the studio in its tab, in the
// page's theme. Where the settings enable it, it autocompletes embeddings in the page's prompt boxes.

(() => {
  /** @typedef {import("./studio/lib/types.d.ts").BridgeStatus} BridgeStatus */
  /** @typedef {{ state: string, text: string, progress?: string, log?: string[] }} Notice */

  const TAB_CONTENT = "ti_studio_place";
  const POLL_MS = 2000;
  const MIN_HEIGHT = 320;
  const SERVER_LOST = "The WebUI does not answer. It may have been stopped.";
  const PENDING = ["starting", "installing"];
  // The page's own folder, which may be below a reverse proxy's path.
  const base = new URL(location.pathname.replace(/\/?$/, "/"), location.origin);

  /**
   * Calls a route of the extension and returns its JSON; throws where the WebUI does not answer.
   *
   * @param {"status" | "start"} route
   * @param {string} [method]
   */
  async function call(route, method = "GET") {
    const response = await fetch(new URL(`ti-studio-bridge/${route}`, base), { method }).catch(() => {
      throw new Error(SERVER_LOST);
    });
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(body.detail ?? `The WebUI answered ${response.status}.`);
    return body;
  }

  /**
   * Polls the status until the studio is ready or has failed; returns the last status.
   *
   * A WebUI that does not answer ends the polling: requests to one that is just starting may make it fail.
   *
   * @param {(status: BridgeStatus) => void} onStatus
   * @returns {Promise<BridgeStatus>}
   */
  async function pollStatus(onStatus) {
    for (;;) {
      /** @type {BridgeStatus} */
      const status = await call("status");
      onStatus(status);
      if (!PENDING.includes(status.state)) return status;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  function isDark() {
    const themed = [document.documentElement, document.body, document.querySelector("gradio-app")];
    return themed.some((part) => part?.classList.contains("dark"));
  }

  /**
   * @template {keyof HTMLElementTagNameMap} Tag
   * @param {Tag} tag
   * @param {object} [properties]
   * @param {...Node} children
   */
  function element(tag, properties = {}, ...children) {
    const created = Object.assign(document.createElement(tag), properties);
    created.append(...children);
    return created;
  }

  /**
   * Returns a notice, with a button unless the studio is about to start.
   *
   * @param {string} state
   * @param {() => void} onClick
   */
  function noticeElement(state, onClick) {
    const lines = [element("p", { role: "status" }), element("p"), element("pre")];
    const created = element("div", { className: "ti-host-notice" }, ...lines);
    created.dataset.state = state;
    if (!PENDING.includes(state)) {
      const label = state === "off" ? "Start the studio" : "Try again";
      created.append(element("button", { type: "button", textContent: label, onclick: onClick }));
    }
    return created;
  }

  /**
   * Shows a notice in the tab. Unchanged lines are not touched: they may be selected.
   *
   * @param {HTMLElement} tab
   * @param {Notice} notice
   * @param {() => void} onClick
   */
  function showNotice(tab, { state, text, progress = "", log = [] }, onClick) {
    let shown = /** @type {HTMLElement | null} */ (tab.firstElementChild);
    if (shown?.dataset.state !== state) {
      shown = noticeElement(state, onClick);
      tab.replaceChildren(shown);
    }
    const lines = /** @type {HTMLCollectionOf<HTMLElement>} */ (shown.children);
    for (const [index, content] of [text, progress, log.join("\n")].entries()) {
      const line = lines[index];
      line.hidden = !content;
      if (line.textContent === content) continue;
      line.textContent = content;
      line.scrollTop = line.scrollHeight; // to the newest lines of the log
    }
  }

  /**
   * @param {HTMLElement} tab
   * @param {string} text
   */
  function showLost(tab, text) {
    showNotice(tab, { state: "gone", text }, () => fill(tab));
  }

  /**
   * Shows the studio, or a notice until it is ready.
   *
   * @param {HTMLElement} tab
   */
  async function fill(tab) {
    const start = () => call("start", "POST").then(() => fill(tab), fail);
    /** @param {BridgeStatus} status */
    const show = (status) => {
      if (status.state !== "ready") showNotice(tab, status, start);
    };
    /** @param {unknown} error */
    const fail = (error) => showLost(tab, error instanceof Error ? error.message : String(error));
    try {
      if ((await pollStatus(show)).state === "ready") addFrame(tab);
    } catch (error) {
      fail(error);
    }
  }

  /** @param {HTMLElement} tab */
  function addFrame(tab) {
    const address = new URL("ti-studio/", base);
    address.searchParams.set("__theme", isDark() ? "dark" : "light");
    const frame = element("iframe", { src: address.href, title: "Textual Inversion Studio" });
    tab.replaceChildren(frame);
    keepFitting(tab, frame);
    document.addEventListener("ti-studio:lost", () => showLost(tab, SERVER_LOST), { once: true });
    const applyTheme = () => frame.contentDocument?.body?.classList.toggle("dark", isDark());
    new MutationObserver(applyTheme).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  /**
   * Resizes the frame: as wide as the page, and as high as the window has room for.
   *
   * @param {HTMLElement} tab
   * @param {HTMLElement} frame
   */
  function fit(tab, frame) {
    if (!tab.offsetParent) return; // another tab is shown
    const page = pageOf(tab).getBoundingClientRect();
    frame.style.marginLeft = `${page.left - tab.getBoundingClientRect().left}px`;
    frame.style.width = `${page.width}px`;
    // With a frame as high as the window, the page overflows by the height of everything else in it.
    frame.style.height = `${window.innerHeight}px`;
    const overflow = document.documentElement.scrollHeight - window.innerHeight;
    frame.style.height = `${Math.max(MIN_HEIGHT, window.innerHeight - overflow - 1)}px`;
  }

  /**
   * Resizes the frame whenever the window or the page changes, until the frame is removed.
   *
   * @param {HTMLElement} tab
   * @param {HTMLElement} frame
   */
  function keepFitting(tab, frame) {
    const resize = () => {
      if (frame.isConnected) fit(tab, frame);
      else stop();
    };
    const observer = new ResizeObserver(() => requestAnimationFrame(resize));
    const stop = () => {
      observer.disconnect();
      window.removeEventListener("resize", resize);
    };
    window.addEventListener("resize", resize);
    observer.observe(pageOf(tab));
    observer.observe(tab); // it has a size only while it is shown
    resize();
  }

  /** @param {HTMLElement} tab */
  function pageOf(tab) {
    return tab.closest(".gradio-container") ?? document.body;
  }

  /** Autocompletes embeddings in the WebUI's own prompt boxes, by the studio's modules. */
  async function addCompletion() {
    if (!(await call("status")).completion) return;
    const { state, modules } = await pollStatus(() => {});
    if (state !== "ready") return;
    /** @param {string} name */
    const load = (name) => import(new URL(`ti-studio/${modules}${name}.js`, base).href);
    const [{ completeWords }, { cardLibrary }] = await Promise.all(["prompt/completion", "lib/library"].map(load));
    const ids = ["txt2img_prompt", "txt2img_neg_prompt", "img2img_prompt", "img2img_neg_prompt"];
    const completion = completeWords(cardLibrary(), {
      boxes: ids.map((id) => document.querySelector(`#${id} textarea`)).filter(Boolean),
      plain: true, // the WebUI has no tags for embeddings
    });
    window.addEventListener("focus", () => completion.refresh().catch(() => {}));
  }

  /**
   * Shows the studio when its tab is opened.
   *
   * @param {HTMLElement} tab
   */
  function start(tab) {
    const opened = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      opened.disconnect();
      fill(tab);
    });
    tab.style.minHeight = "1px"; // an element without a size never intersects
    opened.observe(tab);
    addCompletion().catch(() => {}); // the tab shows what failed
  }

  const pageBuilt = new MutationObserver(() => {
    const tab = document.getElementById(TAB_CONTENT);
    if (!tab || !document.querySelector("#txt2img_prompt textarea")) return;
    pageBuilt.disconnect();
    start(tab);
  });
  pageBuilt.observe(document.documentElement, { childList: true, subtree: true });
})();
