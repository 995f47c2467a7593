// The columns of the master's tables. Rows are entries of /state with what they refer to beside
// them: a task, an offer and an executor have their `framework` and `agent` (if it is registered).

import { h, link, shortId } from "./dom.js";
import { SHARE, resourceColumns, useColumns } from "./resources.js";
import { TASK, sandboxLinks } from "./tasks.js";
import { number, state, time } from "./words.js";

// ---- what rows say ---------------------------------------------------------------------------

export const rolesOf = (framework) => (framework.roles ?? [framework.role ?? ""]).join(", ");
export const agentState = (agent) =>
  (agent.active ? "Active" : agent.deactivated ? "Deactivated" : "Disconnected");
export const frameworkState = (framework) =>
  (framework.active ? "Active" : framework.connected ? "Inactive" : "Disconnected");
export const portOf = (agent) => agent.pid.split(":").at(-1);
export const addressOf = (agent) => `${location.protocol}//${agent.hostname}:${portOf(agent)}`;

// ---- links -----------------------------------------------------------------------------------

const pageOf = (kind, id) => `#/${kind}/${encodeURIComponent(id)}`;
const frameworkLink = (name, row) =>
  link(name || row.framework_id, pageOf("frameworks", row.framework_id),
    { title: row.framework_id });
const agentLink = (host, row) =>
  link(row.agent ? host : shortId(host), pageOf("agents", row.slave_id), { title: row.slave_id });

// To a sandbox on its agent: a task of a default executor has a directory of its own in it.
function files(row, name) {
  if (!row.agent) return "";
  const executor = row.executor_id || row.id;
  const path = ["frameworks", row.framework_id, "executors", executor, "runs", "latest"];
  if (row.executor?.type === "DEFAULT") path.push("tasks", row.id);
  const directory = path.map(encodeURIComponent).join("/");
  return sandboxLinks(`${addressOf(row.agent)}/#/browse/${directory}`, name);
}

// ---- tasks -----------------------------------------------------------------------------------

const FRAMEWORK_OF = { title: "Framework", value: (row) => row.framework.name,
  show: frameworkLink };
const HOST_OF = { title: "Agent", value: (row) => row.agent?.label ?? row.slave_id,
  show: agentLink };
const FILES_OF = { title: "Sandbox", show: (_, task) => files(task, `task ${task.id}`) };

export const ACTIVE_TASK = [FRAMEWORK_OF, TASK.id, TASK.name, TASK.role, TASK.state, TASK.health,
  TASK.started, ...resourceColumns((task) => task.resources), HOST_OF, FILES_OF];
export const ENDED_TASK = [FRAMEWORK_OF, TASK.id, TASK.name, TASK.role, TASK.state, TASK.why,
  TASK.started, TASK.stopped, HOST_OF, FILES_OF];
export const FAILED_TASK = [FRAMEWORK_OF, TASK.id, TASK.state, TASK.why, TASK.stopped, HOST_OF,
  FILES_OF];

export const EXECUTOR = [
  { title: "Executor ID", id: true, value: (executor) => executor.executor_id },
  { title: "Name", value: (executor) => executor.name },
  { title: "Role", value: (executor) => executor.role ?? "" },
  { title: "Tasks", number: true, value: (executor) => executor.tasks },
  ...resourceColumns((executor) => executor.resources),
  HOST_OF,
  { title: "Sandbox", show: (_, executor) =>
    files({ ...executor, executor: null }, `executor ${executor.executor_id}`) },
];

// ---- frameworks, agents, offers, roles -------------------------------------------------------

const FRAMEWORK = {
  id: { title: "ID", id: true, value: (framework) => framework.id, show: (id) =>
    link(shortId(id), pageOf("frameworks", id)) },
  name: { title: "Name", value: (framework) => framework.name, show: (name, framework) =>
    link(name || "(unnamed)", pageOf("frameworks", framework.id)) },
  user: { title: "User", value: (framework) => framework.user },
  host: { title: "Host", value: (framework) => framework.hostname },
  roles: { title: "Roles", value: rolesOf },
  principal: { title: "Principal", optional: true,
    value: (framework) => framework.principal ?? "" },
  state: { title: "State", value: frameworkState, show: state },
  tasks: { title: "Active tasks", number: true, value: (framework) => framework.tasks.length },
  registered: { title: "Registered", number: true,
    value: (framework) => framework.registered_time, show: time },
  reregistered: { title: "Re-registered", number: true, optional: true,
    value: (framework) => framework.reregistered_time ?? 0, show: time },
  unregistered: { title: "Unregistered", number: true,
    value: (framework) => framework.unregistered_time, show: time },
};
export const ACTIVE_FRAMEWORK = [FRAMEWORK.name, FRAMEWORK.id, FRAMEWORK.user, FRAMEWORK.host,
  FRAMEWORK.roles, FRAMEWORK.principal, FRAMEWORK.state, FRAMEWORK.tasks,
  ...resourceColumns((framework) => framework.used_resources), SHARE, FRAMEWORK.registered,
  FRAMEWORK.reregistered];
export const FRAMEWORK_USE = [FRAMEWORK.name, FRAMEWORK.roles, FRAMEWORK.state, FRAMEWORK.tasks,
  ...resourceColumns((framework) => framework.used_resources), SHARE];
export const COMPLETED_FRAMEWORK = [FRAMEWORK.name, FRAMEWORK.id, FRAMEWORK.user, FRAMEWORK.host,
  FRAMEWORK.roles, FRAMEWORK.principal, FRAMEWORK.registered, FRAMEWORK.unregistered];

export const AGENT = [
  { title: "Host", value: (agent) => agent.hostname, show: (host, agent) =>
    link(`${host}:${portOf(agent)}`, pageOf("agents", agent.id)) },
  { title: "ID", id: true, value: (agent) => agent.id, show: shortId },
  { title: "State", value: agentState, show: state },
  ...useColumns(),
  { title: "Registered", number: true, value: (agent) => agent.registered_time, show: time },
  { title: "Re-registered", number: true, optional: true,
    value: (agent) => agent.reregistered_time ?? 0, show: time },
  { title: "Page", show: (_, agent) => link("open", addressOf(agent),
    { "aria-label": `Page of agent ${agent.hostname}` }) },
];

export const OFFER = [
  { title: "ID", id: true, value: (offer) => offer.id, show: shortId },
  { title: "Role", value: (offer) => offer.allocation_info?.role ?? "" },
  FRAMEWORK_OF,
  HOST_OF,
  ...resourceColumns((offer) => offer.resources),
];

const ROLE = {
  name: { title: "Role", value: (role) => role.name },
  weight: { title: "Weight", number: true, value: (role) => role.weight, show: number },
  frameworks: { title: "Frameworks", number: true, value: (role) => role.frameworks.length },
  // What the allocator compares: who has least of it is offered resources first.
  weighted: { title: "Share / weight", number: true,
    value: (role) => role.share.share / role.weight, show: (share) => number(share) },
};
export const ROLE_USE = [ROLE.name, ROLE.weight, ROLE.frameworks,
  ...resourceColumns((role) => role.allocated), SHARE, ROLE.weighted];
