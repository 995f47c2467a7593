// Reads JSON again and again, shows the page that the address names, and says how fresh it is.

import { h, setText } from "./dom.js";
import { age, tick } from "./words.js";

const INTERVAL_S = 2;
const EFFORT = 20; // a state that takes a second to read is read every 20 seconds
const TIMEOUT_S = 10;
const RETRY_MAX_S = 10;
const STALE_S = 5; // beyond two intervals

// There is no answer, or none that could be read. The message goes on after "The master".
class NoAnswer extends Error {}

export async function getJson(path) {
  let response;
  try {
    response = await fetch(path, { signal: AbortSignal.timeout(1000 * TIMEOUT_S) });
    if (response.ok) return await response.json();
  } catch (error) {
    if (error.name === "TimeoutError") throw new NoAnswer(`has not answered within ${TIMEOUT_S} s`);
    if (error instanceof SyntaxError) throw new NoAnswer("answers what is not JSON");
    throw new NoAnswer("cannot be reached");
  }
  const words = await response.text().catch(() => "");
  throw new NoAnswer(`answers ${response.status}: ${words.slice(0, 300)}`);
}

// `pages` maps the first part of the address (#/part/...) to a function that, given the other
// parts, returns {title, element, update(data)}. `load` fetches the data; `who` answers it.
export class Console {
  constructor(who, pages, load) {
    this.who = who;
    this.pages = pages;
    this.load = load;
    this.data = null;
    this.page = null;
    this.updatedAt = 0;
    this.wait = INTERVAL_S;
    this.failures = 0;
    this.busy = false;
    this.timer = null;
    this.main = document.getElementById("main");
    this.problem = document.getElementById("problem");
    this.freshness = document.getElementById("freshness");
  }

  start() {
    window.addEventListener("hashchange", () => {
      this.open();
      window.scrollTo(0, 0);
      this.main.querySelector("h1")?.focus({ preventScroll: true });
    });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.refresh();
    });
    document.querySelector(".skip").addEventListener("click", (event) => {
      event.preventDefault(); // what follows # names a page
      this.main.focus();
    });
    document.getElementById("retry").addEventListener("click", () => this.refresh());
    setInterval(() => this.tick(), 1000);
    this.main.replaceChildren(h("p", { class: "empty" }, `Waiting for ${this.who} …`));
    this.open();
    this.refresh();
  }

  open() {
    const [name = "", ...parts] = partsOf(location.hash);
    const build = this.pages[name] ?? notFound;
    this.page = build(parts);
    for (const item of document.querySelectorAll("#nav a")) {
      const here = item.getAttribute("href") === `#/${name}`;
      if (here) item.setAttribute("aria-current", "page");
      else item.removeAttribute("aria-current");
    }
    if (this.data !== null) this.show();
  }

  // Draw the page from the data there is.
  show() {
    const { element } = this.page;
    if (this.main.firstElementChild !== element) this.main.replaceChildren(element);
    this.page.update(this.data);
    const title = `${this.page.title} · minimesos`;
    if (document.title !== title) document.title = title;
  }

  async refresh() {
    if (this.busy || (document.hidden && this.data !== null)) return;
    this.busy = true;
    clearTimeout(this.timer);
    const began = performance.now();
    const trouble = await this.tryOnce();
    this.failures = trouble === "" ? 0 : this.failures + 1;
    this.wait = trouble === "" ? Math.max(INTERVAL_S, (EFFORT * (performance.now() - began)) / 1000)
      : Math.min(RETRY_MAX_S, 2 ** this.failures);
    this.complain(trouble);
    this.busy = false;
    this.tick();
    this.timer = setTimeout(() => this.refresh(), 1000 * this.wait);
  }

  // Returns what went wrong, "" if nothing.
  async tryOnce() {
    try {
      this.data = await this.load();
      this.updatedAt = Date.now() / 1000;
      this.show();
      return "";
    } catch (error) {
      if (error instanceof NoAnswer) return error.message;
      console.error(error);
      return `says what this page does not understand (${error.message})`;
    }
  }

  complain(trouble) {
    this.problem.hidden = trouble === "";
    if (trouble === "") return;
    const known = this.data === null ? "Nothing is known yet" : "Below is what was known before";
    const text = `${capital(this.who)} ${trouble}. ${known}; it is asked again.`;
    setText(this.problem.querySelector("span"), text); // said aloud once, not at each try
  }

  tick() {
    tick();
    const old = Date.now() / 1000 - this.updatedAt > STALE_S + 2 * this.wait;
    const stale = this.failures > 0 || old;
    this.freshness.classList.toggle("stale", stale);
    if (this.updatedAt > 0) {
      this.freshness.textContent = `${stale ? "Stale: updated" : "Updated"} ${age(this.updatedAt)}`;
      this.freshness.title = new Date(1000 * this.updatedAt).toLocaleString();
    }
  }
}

function partsOf(hash) {
  return hash.replace(/^#\/?/, "").split("?")[0].split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part; // typed by hand
    }
  });
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

function notFound() {
  const title = "There is no such page";
  return { title, element: h("h1", { tabindex: -1 }, title), update() {} };
}
