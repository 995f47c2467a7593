// The master's console. Reads /state and /roles; computes nothing that they do not say except sums
// and shares.

import {
  add, dominantShare, facts, h, link, meters, number, percent, resourceColumns, shortId,
  state, time,
} from "./dom.js";
import { Console, getJson } from "./refresh.js";
import { Table } from "./table.js";

const FAST_S = 2;
const SLOW_S = 10; // with so many agents that reading their state costs the master something
const MANY_AGENTS = 500;

async function load() {
  const [cluster, roles] = await Promise.all([getJson("/state"), getJson("/roles")]);
  const agents = new Map(cluster.slaves.map((agent) => [agent.id, agent]));
  const sum = (key) => cluster.slaves.reduce((total, agent) => add(total, agent[key]), {});
  const everybody = [...cluster.frameworks, ...cluster.completed_frameworks];
  const tasksOf = (key) => everybody.flatMap((framework) =>
    framework[key].map((task) => ({ ...task, framework, agent: agents.get(task.slave_id) })));
  document.getElementById("cluster").textContent = cluster.cluster || "minimesos";
  return {
    cluster,
    agents,
    roles: roles.roles,
    total: sum("resources"),
    used: sum("used_resources"),
    offered: sum("offered_resources"),
    active: tasksOf("tasks"),
    unreachable: tasksOf("unreachable_tasks"),
    completed: tasksOf("completed_tasks"),
  };
}

// ---- columns ---------------------------------------------------------------------------------

const started = (task) => task.statuses[0]?.timestamp ?? 0;
const ended = (task) => task.statuses.at(-1)?.timestamp ?? 0;
const rolesOf = (framework) => (framework.roles ?? [framework.role ?? ""]).join(", ");
const addressOf = (agent) => `${location.protocol}//${agent.hostname}:${agent.pid.split(":").at(-1)}`;
const agentState = (agent) =>
  agent.active ? "Active" : agent.deactivated ? "Deactivated" : "Disconnected";
const frameworkState = (framework) =>
  framework.active ? "Active" : framework.connected ? "Inactive" : "Disconnected";

function frameworkLink(id) {
  return link(shortId(id), `#/frameworks/${encodeURIComponent(id)}`);
}

function agentLink(id, text) {
  return link(text ?? shortId(id), `#/agents/${encodeURIComponent(id)}`);
}

function sandbox(_, task) {
  if (!task.agent) return "";
  const executor = task.executor_id || task.id;
  const path = ["frameworks", task.framework_id, "executors", executor, "runs", "latest"];
  return link("Sandbox", `${addressOf(task.agent)}/#/browse/${path.map(encodeURIComponent).join("/")}`);
}

const TASK = {
  framework: { title: "Framework", value: (task) => task.framework.name,
    show: (name, task) => link(name || task.framework_id,
      `#/frameworks/${encodeURIComponent(task.framework_id)}`) },
  id: { title: "Task", id: true, value: (task) => task.id, show: shortId },
  name: { title: "Name", value: (task) => task.name },
  role: { title: "Role", value: (task) => task.role },
  state: { title: "State", value: (task) => task.state, show: state },
  started: { title: "Started", number: true, value: started, show: time },
  stopped: { title: "Stopped", number: true, value: ended, show: time },
  host: { title: "Agent", value: (task) => task.agent?.hostname ?? task.slave_id,
    show: (host, task) => agentLink(task.slave_id, host) },
  sandbox: { title: "", value: () => "", show: sandbox },
};
const ACTIVE_TASK = [TASK.framework, TASK.id, TASK.name, TASK.role, TASK.state, TASK.started,
  ...resourceColumns((task) => task.resources), TASK.host, TASK.sandbox];
const DONE_TASK = [TASK.framework, TASK.id, TASK.name, TASK.role, TASK.state, TASK.started,
  TASK.stopped, TASK.host, TASK.sandbox];

const FRAMEWORK = [
  { title: "ID", id: true, value: (framework) => framework.id, show: frameworkLink },
  { title: "Name", value: (framework) => framework.name, show: (name, framework) =>
    (framework.webui_url ? link(name, framework.webui_url) : name) },
  { title: "User", value: (framework) => framework.user },
  { title: "Host", value: (framework) => framework.hostname },
  { title: "Roles", value: rolesOf },
];
const ACTIVE_FRAMEWORK = [
  ...FRAMEWORK,
  { title: "State", value: frameworkState, show: state },
  { title: "Tasks", number: true, value: (framework) => framework.tasks.length },
  ...resourceColumns((framework) => framework.resources),
  { title: "Max share", number: true, value: (framework) => framework.share, show: percent },
  { title: "Registered", number: true, value: (framework) => framework.registered_time,
    show: time },
];
const COMPLETED_FRAMEWORK = [
  ...FRAMEWORK,
  { title: "Tasks run", number: true, value: (framework) => framework.completed_tasks.length },
  { title: "Registered", number: true, value: (framework) => framework.registered_time,
    show: time },
  { title: "Unregistered", number: true, value: (framework) => framework.unregistered_time,
    show: time },
];

// Used and offered of the total, as text; sorted by what is held.
function heldColumns() {
  const plain = resourceColumns((agent) => agent.resources);
  return plain.map((column) => {
    const name = { CPUs: "cpus", Memory: "mem", Disk: "disk" }[column.title];
    const held = (agent) =>
      (agent.used_resources[name] ?? 0) + (agent.offered_resources[name] ?? 0);
    return { ...column, value: held,
      show: (value, agent) => `${column.show(value)} of ${column.show(agent.resources[name])}` };
  });
}

const AGENT = [
  { title: "ID", id: true, value: (agent) => agent.id, show: (id) => agentLink(id) },
  { title: "Host", value: (agent) => agent.hostname,
    show: (host, agent) => link(`${host}:${agent.pid.split(":").at(-1)}`, addressOf(agent)) },
  { title: "State", value: agentState, show: state },
  ...heldColumns(),
  { title: "Registered", number: true, value: (agent) => agent.registered_time, show: time },
];

const OFFER = [
  { title: "ID", id: true, value: (offer) => offer.id, show: shortId },
  { title: "Framework", value: (offer) => offer.framework.name,
    show: (name, offer) => link(name || offer.framework_id,
      `#/frameworks/${encodeURIComponent(offer.framework_id)}`) },
  { title: "Role", value: (offer) => offer.allocation_info?.role ?? "" },
  { title: "Agent", value: (offer) => offer.agent?.hostname ?? offer.slave_id,
    show: (host, offer) => agentLink(offer.slave_id, host) },
  ...resourceColumns((offer) => offer.resources),
];

const ROLE = [
  { title: "Role", value: (role) => role.name },
  { title: "Weight", number: true, value: (role) => role.weight, show: number },
  { title: "Frameworks", number: true, value: (role) => role.frameworks.length },
  { title: "Dominant share", number: true, value: (role) => role.share, show: percent },
  ...resourceColumns((role) => role.resources),
];

// ---- pages -----------------------------------------------------------------------------------

// A page made of tables: `fill(data)` returns the rows of each, in order.
function tables(title, list, fill, before = null) {
  const above = h("div");
  const element = h("div", {}, h("h1", {}, title), above, list.map((table) => table.element));
  return {
    element,
    update(data) {
      if (before) above.replaceChildren(before(data));
      fill(data).forEach((rows, index) => list[index].update(rows));
    },
  };
}

const withShare = (data) => (framework) =>
  ({ ...framework, share: dominantShare(framework.resources, data.total) });
const offersOf = (data, frameworks) => frameworks.flatMap((framework) =>
  framework.offers.map((offer) => ({ ...offer, framework, agent: data.agents.get(offer.slave_id) })));
const newestFirst = (columns, title) =>
  ({ column: columns.findIndex((column) => column.title === title), down: true });
const activeTasks = () => new Table("Active tasks", ACTIVE_TASK, "No task is running.",
  newestFirst(ACTIVE_TASK, "Started"));
const completedTasks = () => new Table("Completed tasks", DONE_TASK, "No task has ended yet.",
  newestFirst(DONE_TASK, "Stopped"));
const unreachableTasks = () => new Table("Unreachable tasks", DONE_TASK, "None.");

function summary(data) {
  const { cluster } = data;
  const counts = new Map();
  for (const task of [...data.active, ...data.unreachable, ...data.completed]) {
    const name = task.state.replace(/^TASK_/, "").toLowerCase();
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const agents = [`${number(cluster.activated_slaves)} active`,
    cluster.deactivated_slaves ? `${number(cluster.deactivated_slaves)} inactive` : "",
    cluster.unreachable_slaves ? `${number(cluster.unreachable_slaves)} unreachable` : ""];
  return h("div", { class: "cards" },
    h("section", { class: "card" }, h("h2", {}, "Resources"),
      meters(data.total, data.used, data.offered)),
    h("section", { class: "card" }, h("h2", {}, "Cluster"), facts([
      ["Agents", agents.filter(Boolean).join(", ")],
      ["Frameworks", `${cluster.frameworks.length} active, `
        + `${cluster.completed_frameworks.length} completed`],
      ["Tasks", [...counts].map(([name, count]) => `${count} ${name}`).join(", ") || "none yet"],
    ])),
    h("section", { class: "card" }, h("h2", {}, "Master"), facts([
      ["Leader", (cluster.leader ?? cluster.pid).split("@").at(-1)],
      ["Host", cluster.hostname],
      ["Version", cluster.version],
      ["Started", time(cluster.start_time)],
      ["ID", cluster.id],
    ])));
}

function overview() {
  const frameworks = new Table("Frameworks", ACTIVE_FRAMEWORK, "No framework is registered.");
  return tables("Overview", [frameworks, activeTasks(), completedTasks()],
    (data) => [data.cluster.frameworks.map(withShare(data)), data.active, data.completed], summary);
}

function frameworkPage([id]) {
  if (id === undefined) {
    return tables("Frameworks", [
      new Table("Active", ACTIVE_FRAMEWORK, "No framework is registered."),
      new Table("Completed", COMPLETED_FRAMEWORK, "No framework has ended yet.",
        newestFirst(COMPLETED_FRAMEWORK, "Unregistered")),
    ], (data) => [data.cluster.frameworks.map(withShare(data)), data.cluster.completed_frameworks]);
  }
  const mine = (tasks) => tasks.filter((task) => task.framework_id === id);
  const find = (data) => [...data.cluster.frameworks, ...data.cluster.completed_frameworks]
    .find((framework) => framework.id === id);
  return tables(`Framework ${id}`,
    [activeTasks(), unreachableTasks(), completedTasks(), new Table("Offers", OFFER, "None.")],
    (data) => [mine(data.active), mine(data.unreachable), mine(data.completed),
      offersOf(data, [find(data)].filter(Boolean))],
    (data) => {
      const framework = find(data);
      if (!framework) return h("p", { class: "empty" }, "The master does not know it (any more).");
      return h("div", { class: "cards" },
        h("section", { class: "card" }, h("h2", {}, framework.name), facts([
          ["State", framework.unregistered_time ? "Completed" : state(frameworkState(framework))],
          ["Web UI", framework.webui_url ? link(framework.webui_url, framework.webui_url) : ""],
          ["User", framework.user],
          ["Host", framework.hostname],
          ["Roles", rolesOf(framework)],
          ["Registered", time(framework.registered_time)],
          ["Unregistered", time(framework.unregistered_time)],
          ["Max share", percent(dominantShare(framework.resources, data.total))],
        ])),
        h("section", { class: "card" }, h("h2", {}, "Of the cluster's resources"),
          meters(data.total, framework.used_resources, framework.offered_resources)));
    });
}

function agentPage([id]) {
  if (id === undefined) {
    return tables("Agents", [new Table("Agents", AGENT, "No agent has registered yet.")],
      (data) => [data.cluster.slaves]);
  }
  const mine = (tasks) => tasks.filter((task) => task.slave_id === id);
  return tables(`Agent ${id}`, [activeTasks(), completedTasks()],
    (data) => [mine(data.active), mine(data.completed)],
    (data) => {
      const agent = data.agents.get(id);
      if (!agent) return h("p", { class: "empty" }, "The master does not know it (any more).");
      const attributes = Object.entries(agent.attributes).map((pair) => pair.join(": "));
      return h("div", { class: "cards" },
        h("section", { class: "card" }, h("h2", {}, agent.hostname), facts([
          ["State", state(agentState(agent))],
          ["Page", link(addressOf(agent), addressOf(agent))],
          ["Version", agent.version],
          ["Attributes", attributes.join(", ")],
          ["Registered", time(agent.registered_time)],
          ["Re-registered", time(agent.reregistered_time)],
        ])),
        h("section", { class: "card" }, h("h2", {}, "Resources"),
          meters(agent.resources, agent.used_resources, agent.offered_resources)));
    });
}

function taskPage() {
  return tables("Tasks", [activeTasks(), unreachableTasks(), completedTasks()],
    (data) => [data.active, data.unreachable, data.completed]);
}

function offerPage() {
  return tables("Offers", [new Table("Outstanding offers", OFFER, "No offer is outstanding.")],
    (data) => [offersOf(data, data.cluster.frameworks)]);
}

function rolePage() {
  const share = (data) => (role) => ({ ...role, share: dominantShare(role.resources, data.total) });
  return tables("Roles", [new Table("Roles", ROLE, "No role is in use.")],
    (data) => [data.roles.map(share(data))]);
}

new Console(
  { "": overview, frameworks: frameworkPage, agents: agentPage, tasks: taskPage,
    offers: offerPage, roles: rolePage },
  load,
  (data) => (data.cluster.slaves.length > MANY_AGENTS ? SLOW_S : FAST_S),
).start();
