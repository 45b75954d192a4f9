// ti_studio_host.js – what A1111, Forge and reForge load into their own page: it puts the studio into its tab, in the
// page's theme, and completes embeddings' names in the page's prompt boxes where the settings want that.

(() => {
  const PLACE = "ti_studio_place";
  const LOOK_MS = 2000;
  const LEAST_HEIGHT = 320;
  const WAITS = ["starting", "installing"];
  // The page's own folder: it may stand behind a path of somebody's proxy.
  const here = new URL(location.pathname.replace(/\/?$/, "/"), location.origin);

  /** Calls the extension; throws where the WebUI does not answer. */
  async function ask(what, method = "GET") {
    const response = await fetch(new URL(`ti-studio-bridge/${what}`, here), { method }).catch(() => {
      throw new Error("The WebUI does not answer. It may have been stopped.");
    });
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(body.detail ?? `The WebUI answered ${response.status}.`);
    return body;
  }

  /** Asks until the studio is ready, tells each answer, and returns the last. A WebUI that does not answer is asked no
   *  more: one that is just starting must be left alone. */
  async function follow(tell) {
    for (;;) {
      const status = await ask("status");
      tell(status);
      if (!WAITS.includes(status.state)) return status;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  function isDark() {
    return [document.documentElement, document.body, document.querySelector("gradio-app")].some((part) => part?.classList.contains("dark"));
  }

  function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  /** Returns a notice with a button where the user has to decide. */
  function notice(state, start) {
    const made = element("div", { className: "ti-host-notice" }, element("p", { role: "status" }), element("p"), element("pre"));
    made.dataset.state = state;
    if (!WAITS.includes(state)) {
      const label = state === "off" ? "Start the studio" : "Try again";
      made.append(element("button", { type: "button", textContent: label, onclick: start }));
    }
    return made;
  }

  /** Says in a place what the studio is doing. What stays the same is left alone: it may be being read or selected. */
  function tell(place, { state, text, progress = "", log = [] }, start) {
    if (place.firstElementChild?.dataset.state !== state) place.replaceChildren(notice(state, start));
    const lines = log.join("\n");
    for (const [part, said] of [text, progress, lines].entries()) {
      const target = place.firstElementChild.children[part];
      target.hidden = !said;
      if (target.textContent === said) continue;
      target.textContent = said;
      target.scrollTop = target.scrollHeight; // what was written last
    }
  }

  function gone(place, text) {
    tell(place, { state: "gone", text }, () => fill(place));
  }

  async function fill(place) {
    const start = () => ask("start", "POST").then(() => fill(place), fail);
    const show = (status) => {
      if (status.state !== "ready") tell(place, status, start);
    };
    const fail = (error) => gone(place, error.message);
    try {
      if ((await follow(show)).state === "ready") frame(place);
    } catch (error) {
      fail(error);
    }
  }

  function frame(place) {
    const address = new URL("ti-studio/", here);
    address.searchParams.set("__theme", isDark() ? "dark" : "light");
    const made = element("iframe", { src: address.href, title: "Textual Inversion Studio" });
    place.replaceChildren(made);
    keepFitting(place, made);
    document.addEventListener("ti-studio:lost", () => gone(place, "The WebUI does not answer. It may have been stopped."), { once: true });
    new MutationObserver(() => made.contentDocument?.body?.classList.toggle("dark", isDark())).observe(document.body, {
      attributes: true,
      attributeFilter: ["class"],
    });
  }

  /** Gives the frame the room that the page has: from edge to edge, and from its top down to what stands below it. */
  function fit(place, made) {
    if (!place.offsetParent) return; // another tab is shown
    const page = around(place).getBoundingClientRect();
    made.style.marginLeft = `${page.left - place.getBoundingClientRect().left}px`;
    made.style.width = `${page.width}px`;
    // As high as the window, it makes the page higher than that by all that stands above and below.
    made.style.height = `${window.innerHeight}px`;
    const others = document.documentElement.scrollHeight - window.innerHeight;
    made.style.height = `${Math.max(LEAST_HEIGHT, window.innerHeight - others - 1)}px`;
  }

  /** Fits again when the window or the page around the frame changes, as long as the frame is there. */
  function keepFitting(place, made) {
    const again = () => {
      if (made.isConnected) fit(place, made);
      else stop();
    };
    const watcher = new ResizeObserver(() => requestAnimationFrame(again));
    const stop = () => {
      watcher.disconnect();
      window.removeEventListener("resize", again);
    };
    window.addEventListener("resize", again);
    watcher.observe(around(place));
    watcher.observe(place); // which has a size only while its tab is shown
    again();
  }

  function around(place) {
    return place.closest(".gradio-container") ?? document.body;
  }

  /** Offers embeddings in the WebUI's own prompt boxes, by the studio's own code. */
  async function complete() {
    if (!(await ask("status")).completion) return;
    const { state, modules } = await follow(() => {});
    if (state !== "ready") return;
    const part = (name) => import(new URL(`ti-studio/${modules}${name}.js`, here).href);
    const [{ completeWords }, { cardLibrary }] = await Promise.all(["prompt/completion", "lib/library"].map(part));
    const boxes = ["txt2img_prompt", "txt2img_neg_prompt", "img2img_prompt", "img2img_neg_prompt"];
    const completion = completeWords(cardLibrary(), {
      boxes: boxes.map((id) => document.querySelector(`#${id} textarea`)).filter(Boolean),
      plain: true, // the WebUI knows no tags
    });
    window.addEventListener("focus", () => completion.refresh().catch(() => {}));
  }

  function begin(place) {
    const watcher = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watcher.disconnect();
      fill(place);
    });
    place.style.minHeight = "1px"; // what has no size is never seen
    watcher.observe(place);
    complete().catch(() => {}); // the tab tells what is wrong
  }

  const watcher = new MutationObserver(() => {
    const place = document.getElementById(PLACE);
    if (!place || !document.querySelector("#txt2img_prompt textarea")) return;
    watcher.disconnect();
    begin(place);
  });
  watcher.observe(document.documentElement, { childList: true, subtree: true });
})();
