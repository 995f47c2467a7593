// Sandboxes: a directory is a table, a file is its end, which grows as the file does.

import { h, link } from "./dom.js";
import { getJson } from "./refresh.js";
import { Table } from "./table.js";
import { bytes, time } from "./words.js";

const SHOWN_BYTES = 50000; // of a file at first, and of one step after that
const KEPT_CHARS = 1000000; // of a file that grows while it is shown

// The address of a file; a directory's ends in a slash.
export const pageOf = (path) =>
  `#/browse/${path.split("/").map(encodeURIComponent).join("/").replace(/^\//, "")}`;
const fileUrl = (endpoint, path, query = {}) =>
  `/files/${endpoint}?${new URLSearchParams({ path, ...query })}`;
const download = (path) => link("Download", fileUrl("download", path),
  { "aria-label": `Download ${nameOf(path)}` });
const nameOf = (path) => path.split("/").at(-1);
const isDirectory = (entry) => entry.mode[0] === "d";

export function browse(parts) {
  const path = `/${parts.filter(Boolean).join("/")}`;
  const body = h("div", {}, h("p", { class: "empty" }, "Loading …"));
  let view = null;
  async function open() {
    if (parts.at(-1) === "") return directory(path);
    const asked = await fetch(fileUrl("read", path));
    if (asked.status === 404) throw new Error("has no such file (any more)");
    return asked.ok ? file(path) : directory(path);
  }
  async function show() {
    if (view !== null) return view.update();
    const opened = await open();
    await opened.update();
    view = opened;
    body.replaceChildren(view.element);
    return view.shown?.();
  }
  const title = `Sandbox of executor ${parts[parts.lastIndexOf("runs") - 1] ?? ""}`;
  return {
    title,
    element: h("div", {}, h("h1", { tabindex: -1 }, title), trail(path), body),
    update() {
      show().catch((error) => {
        view = null;
        body.replaceChildren(h("p", { class: "empty" }, `The agent ${error.message}.`));
      });
    },
  };
}

// From the run directory down: what is above it cannot be looked into.
function trail(path) {
  const parts = path.split("/");
  const first = parts.lastIndexOf("runs") + 1;
  const steps = parts.slice(first).map((part, index) => {
    const end = first + index + 1;
    const to = parts.slice(0, end).join("/") + (end < parts.length ? "/" : "");
    return [index > 0 ? " / " : "", end < parts.length ? link(part, pageOf(to)) : part];
  });
  return h("nav", { "aria-label": "Directories", class: "trail" }, steps.flat());
}

function directory(path) {
  const table = new Table("Files", [
    { title: "Name", value: (entry) => nameOf(entry.path), show: (name, entry) => {
      const end = isDirectory(entry) ? "/" : "";
      return link(name + end, pageOf(entry.path + end));
    } },
    { title: "Mode", id: true, value: (entry) => entry.mode },
    { title: "Owner", value: (entry) => entry.uid },
    { title: "Size", number: true, value: (entry) => entry.size, show: bytes },
    { title: "Modified", number: true, value: (entry) => entry.mtime, show: time },
    { title: "Download", show: (_, entry) =>
      (isDirectory(entry) ? "" : download(entry.path)) },
  ], { empty: "The directory is empty.", key: (entry) => entry.path });
  return {
    element: table.element,
    async update() {
      table.update(await getJson(fileUrl("browse", path)));
    },
  };
}

function file(path) {
  const text = h("pre", { class: "file", tabindex: 0, "aria-label": `End of ${nameOf(path)}` });
  const note = h("p", { class: "empty" });
  const toEnd = () => {
    text.scrollTop = text.scrollHeight;
  };
  let begin = null;
  let end = 0;
  async function update() {
    const size = (await getJson(fileUrl("read", path))).offset;
    if (begin === null || size < end) { // new, or truncated
      begin = end = Math.max(0, size - SHOWN_BYTES);
      text.textContent = "";
    }
    const atEnd = text.scrollTop + text.clientHeight >= text.scrollHeight - 4;
    while (end < size) {
      const length = Math.min(SHOWN_BYTES, size - end);
      const piece = await getJson(fileUrl("read", path, { offset: end, length }));
      if (piece.data === "") break;
      text.append(piece.data);
      end += length;
    }
    if (text.textContent.length > KEPT_CHARS) {
      text.textContent = text.textContent.slice(-KEPT_CHARS / 2);
      begin = null;
    }
    if (atEnd) toEnd();
    const part = begin === 0 ? "" : "The end of ";
    note.textContent = size === 0 ? "The file is empty." : `${part}${bytes(size)}.`;
    text.hidden = size === 0;
    begin ??= 1;
  }
  return {
    element: h("section", { class: "card" }, h("div", { class: "table-head" },
      h("h2", {}, nameOf(path)), download(path)), note, text),
    update,
    shown: toEnd,
  };
}
