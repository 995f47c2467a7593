// An agent's console: its executors and their sandboxes. Reads /state, /containers and /files.

import { bytes, facts, h, link, meters, number, resourceColumns, time } from "./dom.js";
import { Console, getJson } from "./refresh.js";
import { Table } from "./table.js";

const INTERVAL_S = 2;
const PAGE_BYTES = 50000; // of a file, that one step shows

const browseLink = (text, path) =>
  link(text, `#/browse/${path.split("/").filter(Boolean).map(encodeURIComponent).join("/")}`);
const fileUrl = (endpoint, path, query = {}) =>
  `/files/${endpoint}?${new URLSearchParams({ path, ...query })}`;

const EXECUTOR = [
  { title: "Framework", value: (executor) => executor.framework.name },
  { title: "Executor", id: true, value: (executor) => executor.id },
  { title: "Name", value: (executor) => executor.name },
  { title: "Tasks", number: true, value: (executor) => executor.tasks.length },
  { title: "Queued", number: true, value: (executor) => executor.queued_tasks.length },
  { title: "Completed", number: true, value: (executor) => executor.completed_tasks.length },
  ...resourceColumns((executor) => executor.resources),
  { title: "Memory used", number: true, value: (executor) => executor.used?.mem_rss_bytes ?? 0,
    show: bytes },
  { title: "CPU time", number: true, value: (executor) =>
    (executor.used?.cpus_user_time_secs ?? 0) + (executor.used?.cpus_system_time_secs ?? 0),
    show: (seconds) => `${number(seconds)} s` },
  { title: "", value: () => "", show: (_, executor) => browseLink("Sandbox", executor.directory) },
];

function executors() {
  const above = h("div", { class: "cards" });
  const live = new Table("Executors", EXECUTOR, "No executor is running.");
  const gone = new Table("Completed executors", EXECUTOR, "No executor has ended yet.");
  return {
    element: h("div", {}, h("h1", {}, "Agent"), above, live.element, gone.element),
    update(agent) {
      const all = (key) => [...agent.frameworks, ...agent.completed_frameworks].flatMap(
        (framework) => (framework[key] ?? []).map((executor) =>
          ({ ...executor, framework, used: agent.used.get(executor.container) })));
      const running = all("executors");
      const used = running.reduce((sum, executor) => {
        for (const name of ["cpus", "gpus", "mem", "disk"]) {
          sum[name] = (sum[name] ?? 0) + (executor.resources[name] ?? 0);
        }
        return sum;
      }, {});
      above.replaceChildren(
        h("section", { class: "card" }, h("h2", {}, agent.hostname), facts([
          ["ID", agent.id || "not registered yet"],
          ["Master", agent.master_hostname],
          ["Version", agent.version],
          ["Started", time(agent.start_time)],
          ["Attributes", Object.entries(agent.attributes).map((pair) => pair.join(": ")).join(", ")],
        ])),
        h("section", { class: "card" }, h("h2", {}, "Resources"), meters(agent.resources, used)));
      live.update(running);
      gone.update(all("completed_executors"));
    },
  };
}

// ---- sandboxes -------------------------------------------------------------------------------

function trail(path) {
  const parts = path.split("/").filter(Boolean);
  const runs = parts.lastIndexOf("runs");
  return h("p", {}, parts.slice(runs + 1).map((part, index) => [
    index > 0 ? " / " : "", browseLink(part, parts.slice(0, runs + 2 + index).join("/"))]).flat());
}

function browse(parts) {
  const path = `/${parts.join("/")}`;
  const body = h("div", {}, h("p", { class: "empty" }, "Loading …"));
  let view = null;
  const table = new Table("Files", [
    { title: "Name", value: (entry) => entry.path.split("/").at(-1),
      show: (name, entry) => browseLink(entry.mode[0] === "d" ? `${name}/` : name, entry.path) },
    { title: "Mode", id: true, value: (entry) => entry.mode },
    { title: "Size", number: true, value: (entry) => entry.size, show: bytes },
    { title: "Changed", number: true, value: (entry) => entry.mtime, show: time },
    { title: "", value: () => "", show: (_, entry) => (entry.mode[0] === "d" ? ""
      : link("Download", fileUrl("download", entry.path))) },
  ], "The directory is empty.");
  async function show() {
    if (view === null) {
      const listing = await fetch(fileUrl("browse", path));
      view = listing.status === 400 ? file(path) : { element: table.element, update: list };
      body.replaceChildren(view.element);
    }
    await view.update();
  }
  async function list() {
    table.update(await getJson(fileUrl("browse", path)));
  }
  return {
    element: h("div", {}, h("h1", {}, "Sandbox"), trail(path), body),
    update() {
      show().catch((error) => {
        view = null;
        body.replaceChildren(h("p", { class: "empty" }, error.message));
      });
    },
  };
}

// The end of a file, which grows as the file does.
function file(path) {
  const text = h("pre", { class: "file", tabindex: 0 });
  const note = h("p", { class: "empty" });
  let begin = null;
  let end = 0;
  async function update() {
    const size = (await getJson(fileUrl("read", path))).offset;
    if (begin === null || size < end) {
      begin = end = Math.max(0, size - PAGE_BYTES);
      text.textContent = "";
    }
    const atEnd = text.scrollTop + text.clientHeight >= text.scrollHeight - 4;
    while (end < size) {
      const length = Math.min(PAGE_BYTES, size - end);
      const piece = await getJson(fileUrl("read", path, { offset: end, length }));
      if (piece.data === "") break;
      text.append(piece.data);
      end += length;
    }
    if (atEnd) text.scrollTop = text.scrollHeight;
    note.textContent = begin > 0 ? `The last ${bytes(end - begin)} of ${bytes(size)}.` : bytes(size);
  }
  return {
    element: h("section", { class: "card" }, h("div", { class: "table-head" },
      h("h2", {}, path.split("/").at(-1)), link("Download", fileUrl("download", path))), note, text),
    update,
  };
}

async function load() {
  const [agent, containers] = await Promise.all([getJson("/state"), getJson("/containers")]);
  agent.used = new Map(containers.map((one) => [one.container_id, one.statistics]));
  document.getElementById("cluster").textContent = `minimesos agent ${agent.hostname}`;
  return agent;
}

new Console({ "": executors, browse }, load, () => INTERVAL_S).start();
