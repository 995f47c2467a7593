// Reads JSON again and again, shows the page that the address names, and says how fresh it is.

import { h } from "./dom.js";

const RETRY_MAX_S = 30;

export async function getJson(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${response.status}: ${(await response.text()).slice(0, 300)}`);
  return response.json();
}

// `pages` maps the first part of the address (#/part/...) to a function that, given the other
// parts, returns {element, update(data)}. `load` fetches the data, `interval(data)` says how many
// seconds to wait.
export class Console {
  constructor(pages, load, interval) {
    this.pages = pages;
    this.load = load;
    this.interval = interval;
    this.data = null;
    this.failures = 0;
    this.page = null;
    this.timer = null;
    window.addEventListener("hashchange", () => this.open());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.refresh();
    });
  }

  start() {
    this.open();
    this.refresh();
  }

  open() {
    const [name = "", ...parts] = location.hash.replace(/^#\/?/, "").split("/")
      .map((part) => part.split("?")[0]).map(decodeURIComponent);
    const build = this.pages[name] ?? (() => notFound());
    this.page = build(parts);
    document.getElementById("main").replaceChildren(this.page.element);
    for (const item of document.querySelectorAll("#nav a")) {
      const here = item.getAttribute("href") === `#/${name}`;
      if (here) item.setAttribute("aria-current", "page");
      else item.removeAttribute("aria-current");
    }
    if (this.data !== null) this.page.update(this.data);
  }

  async refresh() {
    clearTimeout(this.timer);
    if (document.hidden && this.data !== null) return;
    const problem = document.getElementById("problem");
    let wait;
    try {
      this.data = await this.load();
      this.failures = 0;
      problem.hidden = true;
      document.getElementById("freshness").textContent =
        `Updated ${new Date().toLocaleTimeString()}`;
      wait = this.interval(this.data);
    } catch (error) {
      this.failures += 1;
      wait = Math.min(RETRY_MAX_S, 2 ** this.failures);
      problem.hidden = false;
      problem.textContent = `No answer (${error.message}). Trying again in ${wait} s.`;
    }
    if (this.failures === 0) this.page.update(this.data);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), 1000 * wait);
  }
}

function notFound() {
  return { element: h("p", { class: "empty" }, "There is no such page."), update() {} };
}
