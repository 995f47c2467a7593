// An agent's console: its executors, their tasks and sandboxes. Reads /state, /containers, /files.

import { attributes, card, facts, h, link, setText, signOf } from "./dom.js";
import { browse, pageOf } from "./files.js";
import { Console, getJson } from "./refresh.js";
import { add, resourceColumns, resourceTable } from "./resources.js";
import { Table } from "./table.js";
import { TASK, sandboxLinks } from "./tasks.js";
import { bytes, number, time } from "./words.js";

async function load() {
  const [agent, containers] = await Promise.all([getJson("/state"), getJson("/containers")]);
  setText(document.getElementById("cluster"), `minimesos agent ${agent.hostname}`);
  const measured = new Map(containers.map((one) => [one.container_id, one.statistics]));
  const all = (key) => [...agent.frameworks, ...agent.completed_frameworks].flatMap(
    (framework) => (framework[key] ?? []).map((executor) =>
      ({ ...executor, framework, measured: measured.get(executor.container) })));
  const running = all("executors");
  const ended = all("completed_executors");
  const tasks = (key) => [...running, ...ended].flatMap((executor) =>
    executor[key].map((task) => ({ ...task, executor })));
  return {
    agent, running, ended,
    allocated: running.reduce((sum, executor) => add(sum, executor.resources), {}),
    active: [...tasks("tasks"), ...tasks("queued_tasks")],
    completed: tasks("completed_tasks"),
  };
}

// ---- columns ---------------------------------------------------------------------------------

const sandbox = (executor, owner) => sandboxLinks(pageOf(executor.directory), owner);

const ENDED_EXECUTOR = [
  { title: "Framework", value: (executor) => executor.framework.name || executor.framework.id },
  { title: "Executor ID", id: true, value: (executor) => executor.id },
  { title: "Name", value: (executor) => executor.name },
  { title: "Completed", number: true, value: (executor) => executor.completed_tasks.length },
  { title: "Sandbox", show: (_, executor) => sandbox(executor, `executor ${executor.id}`) },
];
const EXECUTOR = [
  ...ENDED_EXECUTOR.slice(0, 3),
  { title: "Tasks", number: true, value: (executor) => executor.tasks.length },
  { title: "Queued", number: true, value: (executor) => executor.queued_tasks.length },
  ...resourceColumns((executor) => executor.resources),
  { title: "Memory used", number: true, value: (executor) => executor.measured?.mem_rss_bytes ?? 0,
    show: bytes },
  { title: "CPU time", number: true, value: (executor) =>
    (executor.measured?.cpus_user_time_secs ?? 0) + (executor.measured?.cpus_system_time_secs ?? 0),
    show: (seconds) => `${number(seconds)} s` },
  ENDED_EXECUTOR.at(-1),
];

const FRAMEWORK_OF = { title: "Framework", value: (task) => task.executor.framework.name };
const FILES_OF = { title: "Sandbox", show: (_, task) =>
  sandbox(task.executor, `task ${task.id}`) };
const ACTIVE_TASK = [FRAMEWORK_OF, TASK.id, TASK.name, TASK.role, TASK.state, TASK.health,
  TASK.started, ...resourceColumns((task) => task.resources), FILES_OF];
const ENDED_TASK = [FRAMEWORK_OF, TASK.id, TASK.name, TASK.role, TASK.state, TASK.why,
  TASK.started, TASK.stopped, FILES_OF];

// ---- the page --------------------------------------------------------------------------------

function overview() {
  const above = h("div", { class: "cards" });
  let sign = "";
  const byContainer = (executor) => executor.container;
  const byTask = (task) => `${task.executor.container} ${task.id}`;
  const newest = { column: ENDED_TASK.indexOf(TASK.stopped), down: true };
  const list = [
    new Table("Executors", EXECUTOR, { empty: "No executor is running.", key: byContainer }),
    new Table("Active tasks", ACTIVE_TASK, { empty: "No task is active.", key: byTask }),
    new Table("Completed tasks", ENDED_TASK,
      { empty: "No task has ended yet.", key: byTask, order: newest }),
    new Table("Completed executors", ENDED_EXECUTOR,
      { empty: "No executor has ended yet.", key: byContainer }),
  ];
  return {
    title: "Agent",
    element: h("div", {}, h("h1", { tabindex: -1 }, "Agent"), above,
      list.map((table) => table.element)),
    update(data) {
      const cards = summary(data);
      const now = cards.map(signOf).join("");
      if (now !== sign) above.replaceChildren(...cards);
      sign = now;
      [data.running, data.active, data.completed, data.ended].forEach(
        (rows, index) => list[index].update(rows));
    },
  };
}

function summary({ agent, allocated }) {
  const master = agent.flags?.master ?? "";
  return [
    card(agent.hostname, facts([
      ["ID", agent.id || "not registered yet"],
      ["Master", master && link(master, `${location.protocol}//${master}`)],
      ["Version", agent.version],
      ["Started", time(agent.start_time)],
      ["Attributes", attributes(agent)],
      ["Ports", agent.resources.ports ?? ""],
    ])),
    card("Resources", resourceTable(agent.resources, allocated)),
  ];
}

new Console("the agent", { "": overview, browse }, load).start();
