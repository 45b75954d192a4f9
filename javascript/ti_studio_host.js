// ti_studio_host.js – what A1111, Forge and reForge load into their own page: it puts the studio into its tab, in the
// page's theme, and completes embeddings' names in the page's prompt boxes where the settings want that.

(() => {
  const PLACE = "ti_studio_place";
  const LOOK_MS = 2000;
  const LEAST_HEIGHT = 480;
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

  /** Returns what the studio is doing, with a button where the user has to decide. */
  function notice(status, start) {
    const parts = [element("p", { textContent: status.text, role: "status" })];
    if (status.log?.length) parts.push(element("pre", { textContent: status.log.join("\n") }));
    if (!WAITS.includes(status.state)) {
      const label = status.state === "off" ? "Start the studio" : "Try again";
      parts.push(element("button", { type: "button", textContent: label, className: "lg primary", onclick: start }));
    }
    return element("div", { className: "ti-host-notice" }, ...parts);
  }

  function gone(place, text) {
    place.replaceChildren(notice({ state: "gone", text }, () => fill(place)));
  }

  async function fill(place) {
    const start = () => ask("start", "POST").then(() => fill(place), fail);
    let shown = "";
    const show = (status) => {
      if (status.state === "ready" || shown === JSON.stringify(status)) return;
      shown = JSON.stringify(status);
      place.replaceChildren(notice(status, start));
      const log = place.querySelector("pre");
      if (log) log.scrollTop = log.scrollHeight; // what was written last
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
    const fit = () => {
      const top = made.getBoundingClientRect().top + window.scrollY;
      made.style.height = `${Math.max(LEAST_HEIGHT, window.innerHeight - top - 8)}px`;
    };
    place.replaceChildren(made);
    fit();
    document.addEventListener("ti-studio:lost", () => gone(place, "The WebUI does not answer. It may have been stopped."), { once: true });
    window.addEventListener("resize", fit);
    new IntersectionObserver(fit).observe(made);
    new MutationObserver(() => made.contentDocument?.body?.classList.toggle("dark", isDark())).observe(document.body, {
      attributes: true,
      attributeFilter: ["class"],
    });
  }

  /** Offers embeddings in the WebUI's own prompt boxes, by the studio's own code. */
  async function complete() {
    if (!(await ask("status")).completion) return;
    const { state, modules } = await follow(() => {});
    if (state !== "ready") return;
    const part = (name) => import(new URL(`ti-studio/${modules}${name}.js`, here).href);
    const [{ completeWords }, { cardLibrary }] = await Promise.all(["completion", "library"].map(part));
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
