// Builds elements. Text only ever becomes text nodes, so nothing that a framework or a task calls
// itself can become markup.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name === "width%") element.style.width = `${value}%`;
    else if (value !== undefined && value !== null && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.flat());
  return element;
}

// A link to a page of this console or another host's; never to a javascript: address.
export function link(text, href, attributes = {}) {
  const safe = /^(https?:)?\/\/|^[#/]/i.test(href) && URL.canParse(href, location.href);
  return safe ? h("a", { href, ...attributes }, text) : h("span", {}, text);
}

export function card(title, ...children) {
  return h("section", { class: "card" }, h("h2", {}, title), ...children);
}

// Names and values; what is not known is left out.
export function facts(pairs) {
  return h("dl", {}, pairs.flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [h("dt", {}, name), h("dd", {}, value)]));
}

export const attributes = (agent) =>
  Object.entries(agent.attributes).map((pair) => pair.join(": ")).join(", ");

// Of the ids that a master mints only the end differs; the whole one is in the tooltip.
export function shortId(id) {
  const short = id.replace(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-(?=.)/, "…-");
  return h("span", { title: id }, short);
}

const LINE = 120; // letters

// The line of a text that says most, which unfolds to all of it.
export function folded(text) {
  const lines = text.trim().split("\n");
  const line = lines[0].startsWith("Traceback") ? lines.at(-1) : lines[0];
  if (lines.length === 1 && line.length <= LINE) return line;
  return h("details", {}, h("summary", {}, line.slice(0, LINE)), h("pre", {}, text));
}

// What tells two contents of one place apart. That a time grows older is no change.
export function signOf(shown) {
  if (!(shown instanceof Element)) return shown;
  return shown.outerHTML.replace(/(<time[^>]*>)[^<]*/g, "$1");
}

// Text that is there already is left alone: it may be selected, or said aloud when it changes.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
