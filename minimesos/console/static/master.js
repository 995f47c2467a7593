// The master's console. Reads /state and /roles; computes nothing that they do not say except sums
// and shares.

import {
  ACTIVE_FRAMEWORK, ACTIVE_TASK, AGENT, COMPLETED_FRAMEWORK, ENDED_TASK, EXECUTOR, FAILED_TASK,
  FRAMEWORK_USE, OFFER, ROLE_USE, addressOf, agentState, frameworkState, portOf, rolesOf,
} from "./columns.js";
import { attributes, card, facts, h, link, setText, signOf } from "./dom.js";
import { Console, getJson } from "./refresh.js";
import { add, dominantShare, resourceTable } from "./resources.js";
import { Table } from "./table.js";
import { TASK } from "./tasks.js";
import { isFailure, number, percent, state, time } from "./words.js";

async function load() {
  const [cluster, { roles }] = await Promise.all([getJson("/state"), getJson("/roles")]);
  setText(document.getElementById("cluster"), cluster.cluster || "minimesos");
  const agents = new Map(cluster.slaves.map((agent) => [agent.id, agent]));
  label(cluster.slaves);
  const sum = (key) => cluster.slaves.reduce((total, agent) => add(total, agent[key]), {});
  const total = sum("resources");
  const { fair_sharing_excluded_resource_names: names = "" } = cluster.flags ?? {};
  const excluded = new Set(names.split(","));
  const withShare = (one) => ({ ...one,
    share: dominantShare(one.resources, one.used_resources ?? one.allocated, total, excluded) });
  const everybody = [...cluster.frameworks, ...cluster.completed_frameworks];
  const withOwner = (framework, row) =>
    ({ ...row, framework, agent: agents.get(row.slave_id) });
  const all = (key, frameworks = everybody) => frameworks.flatMap((framework) =>
    framework[key].map((row) => withOwner(framework, row)));
  const executors = all("executors", cluster.frameworks);
  const executorOf = new Map(executors.map((one) => [holder(one), one]));
  const tasks = (key) => all(key).map((task) =>
    ({ ...task, executor: executorOf.get(holder(task)) }));
  const active = tasks("tasks");
  const counts = new Map();
  for (const task of active) counts.set(holder(task), (counts.get(holder(task)) ?? 0) + 1);
  const unreachable = tasks("unreachable_tasks");
  const completed = tasks("completed_tasks");
  return {
    cluster, agents, total, active, unreachable, completed,
    failed: [...completed, ...unreachable].filter((task) => isFailure(task.state)),
    executors: executors.map((one) => ({ ...one, tasks: counts.get(holder(one)) ?? 0 })),
    offers: all("offers", cluster.frameworks),
    frameworks: cluster.frameworks.map(withShare),
    roles: roles.map(withShare),
    used: sum("used_resources"),
    offered: sum("offered_resources"),
  };
}

// Several agents may be on one host.
function label(agents) {
  const seen = new Set();
  const shared = new Set();
  for (const { hostname } of agents) (seen.has(hostname) ? shared : seen).add(hostname);
  for (const agent of agents) {
    const { hostname } = agent;
    agent.label = shared.has(hostname) ? `${hostname}:${portOf(agent)}` : hostname;
  }
}

// Names the executor that a task runs in, and an executor itself.
const holder = (row) => `${row.slave_id} ${row.framework_id} ${row.executor_id}`;

// ---- tables ----------------------------------------------------------------------------------

const byTask = (task) => `${task.framework_id} ${task.id}`;
const byId = (row) => row.id;
const newest = (columns, column) => ({ column: columns.indexOf(column), down: true });
const without = (columns, left) => columns.filter((column) => column.title !== left);
const FEW = 10; // rows, where a table is one of many

// `left` is the title of a column that would say the same in all rows.
const taskTable = (title, columns, order, empty) => ({ left = null, limit } = {}) => {
  const kept = without(columns, left);
  return new Table(title, kept, { empty, key: byTask, order: newest(kept, order), limit });
};
const activeTasks = taskTable("Active tasks", ACTIVE_TASK, TASK.started, "No task is active.");
const completedTasks = taskTable("Completed tasks", ENDED_TASK, TASK.stopped,
  "No task has ended yet.");
const unreachableTasks = taskTable("Unreachable tasks", ENDED_TASK, TASK.stopped,
  "No task is out of reach.");
const failedTasks = taskTable("Failed tasks", FAILED_TASK, TASK.stopped, "No task has failed.");
const executors = (left = null) => new Table("Executors", without(EXECUTOR, left),
  { empty: "There is no executor.", key: holder });
const offers = (left = null) => new Table("Outstanding offers", without(OFFER, left),
  { empty: "No offer is outstanding.", key: byId });
const roles = () => new Table("Roles", ROLE_USE,
  { empty: "No role is in use.", key: (role) => role.name });

// A page made of tables: `fill(data)` returns the rows of each, in order; `before(data)` what is
// shown above them; `name(data)` what the page is of.
function tables(title, list, fill, before = () => "", name = () => "") {
  const above = h("div");
  let sign = "";
  const heading = h("h1", { tabindex: -1 }, title);
  return {
    title,
    element: h("div", {}, heading, above, list.map((table) => table.element)),
    update(data) {
      this.title = `${title} ${name(data)}`.trim();
      setText(heading, this.title);
      const shown = before(data);
      if (signOf(shown) !== sign) above.replaceChildren(shown);
      sign = signOf(shown);
      fill(data).forEach((rows, index) => list[index].update(rows));
    },
  };
}

// ---- pages -----------------------------------------------------------------------------------

function overview() {
  const frameworks = new Table("Frameworks", FRAMEWORK_USE, {
    empty: "No framework is registered.", key: byId,
    order: { column: FRAMEWORK_USE.length - 1, down: true },
  });
  const few = { limit: FEW };
  return tables("Overview", [roles(), frameworks, failedTasks(few), activeTasks(few)],
    (data) => [data.roles.filter((role) => role.frameworks.length > 0 || role.share.share > 0),
      data.frameworks, data.failed, data.active], summary);
}

function summary(data) {
  const { cluster } = data;
  const agents = [`${number(cluster.activated_slaves)} active`,
    cluster.deactivated_slaves ? `${number(cluster.deactivated_slaves)} inactive` : "",
    cluster.unreachable_slaves ? `${number(cluster.unreachable_slaves)} unreachable` : ""];
  return h("div", { class: "cards" },
    card("Resources", resourceTable(data.total, data.used, data.offered)),
    card("Cluster", facts([
      ["Agents", agents.filter(Boolean).join(", ")],
      ["Frameworks", `${cluster.frameworks.length} registered, `
        + `${cluster.completed_frameworks.length} completed`],
      ["Offers", `${data.offers.length} outstanding`],
      ["Tasks", taskCounts([...data.active, ...data.unreachable, ...data.completed])],
    ])),
    card("Master", facts([
      ["Leader", (cluster.leader ?? cluster.pid).split("@").at(-1)],
      ["Host", cluster.hostname],
      ["Version", cluster.version],
      ["Started", time(cluster.start_time)],
      ["ID", cluster.id],
    ])));
}

function taskCounts(tasks) {
  const counts = new Map();
  for (const task of tasks) counts.set(task.state, (counts.get(task.state) ?? 0) + 1);
  if (counts.size === 0) return "none yet";
  return h("ul", { class: "counts" }, [...counts].map(([name, count]) =>
    h("li", {}, `${number(count)} `, state(name))));
}

function frameworkPage([id]) {
  if (id !== undefined) return oneFramework(id);
  return tables("Frameworks", [
    new Table("Registered", ACTIVE_FRAMEWORK, { empty: "No framework is registered.", key: byId }),
    new Table("Completed", COMPLETED_FRAMEWORK, { empty: "No framework has ended yet.", key: byId,
      order: { column: COMPLETED_FRAMEWORK.length - 1, down: true } }),
  ], (data) => [data.frameworks, data.cluster.completed_frameworks]);
}

const forgotten = (what) =>
  h("p", { class: "empty" }, `The master does not know this ${what} (any more).`);

function oneFramework(id) {
  const mine = (rows) => rows.filter((row) => row.framework_id === id);
  const left = "Framework";
  const find = (data) => [...data.frameworks, ...data.cluster.completed_frameworks].find(
    (framework) => framework.id === id);
  return tables("Framework",
    [activeTasks({ left }), executors(), unreachableTasks({ left }), completedTasks({ left }),
      offers(left)],
    (data) => [mine(data.active), mine(data.executors), mine(data.unreachable),
      mine(data.completed), mine(data.offers)],
    (data) => {
      const framework = find(data);
      if (framework === undefined) return forgotten("framework");
      const { share, of } = framework.share ?? { share: 0, of: "" };
      return h("div", { class: "cards" },
        card("Framework", facts([
          ["ID", id],
          ["State", framework.unregistered_time ? "Completed" : state(frameworkState(framework))],
          ["Web UI", framework.webui_url ? link(framework.webui_url, framework.webui_url) : ""],
          ["User", framework.user],
          ["Host", framework.hostname],
          ["Roles", rolesOf(framework)],
          ["Principal", framework.principal],
          ["Registered", time(framework.registered_time)],
          ["Re-registered", time(framework.reregistered_time)],
          ["Unregistered", time(framework.unregistered_time)],
          ["Dominant share", `${percent(share)} ${of}`],
        ])),
        card("Of the cluster's resources",
          resourceTable(data.total, framework.used_resources, framework.offered_resources)));
    },
    (data) => find(data)?.name || id);
}

function agentPage([id]) {
  if (id !== undefined) return oneAgent(id);
  return tables("Agents", [new Table("Registered", AGENT, {
    empty: "No agent has registered yet: minimesos agent --master=…", key: byId })],
  (data) => [data.cluster.slaves]);
}

function oneAgent(id) {
  const mine = (rows) => rows.filter((row) => row.slave_id === id);
  const left = "Agent";
  return tables("Agent",
    [activeTasks({ left }), executors(left), completedTasks({ left }), offers(left)],
    (data) => [mine(data.active), mine(data.executors), mine(data.completed), mine(data.offers)],
    (data) => {
      const agent = data.agents.get(id);
      if (agent === undefined) return forgotten("agent");
      return h("div", { class: "cards" },
        card("Agent", facts([
          ["ID", id],
          ["State", state(agentState(agent))],
          ["Its own page", link(addressOf(agent), addressOf(agent))],
          ["Version", agent.version],
          ["Attributes", attributes(agent)],
          ["Ports", agent.resources.ports ?? ""],
          ["Registered", time(agent.registered_time)],
          ["Re-registered", time(agent.reregistered_time)],
        ])),
        card("Resources",
          resourceTable(agent.resources, agent.used_resources, agent.offered_resources)));
    },
    (data) => data.agents.get(id)?.label ?? id);
}

const taskPage = () => tables("Tasks", [activeTasks(), unreachableTasks(), completedTasks()],
  (data) => [data.active, data.unreachable, data.completed]);
const offerPage = () => tables("Offers", [offers()], (data) => [data.offers]);
const rolePage = () => tables("Roles", [roles()], (data) => [data.roles]);

new Console("the master", { "": overview, frameworks: frameworkPage, agents: agentPage,
  tasks: taskPage, offers: offerPage, roles: rolePage }, load).start();
