// What the master's and the agent's tables say of tasks, and where a sandbox's files are.

import { folded, h, link } from "./dom.js";
import { state, time } from "./words.js";

const statuses = (task) => task.statuses ?? []; // a queued task has none yet
const last = (task) => statuses(task).at(-1);
const reason = (task) => (last(task)?.reason ?? "").replace(/^REASON_/, "");
const message = (task) => last(task)?.message ?? "";
const HEALTH = { true: "healthy", false: "unhealthy" };

function why(_, task) {
  const words = [
    reason(task) && h("span", { class: "reason" }, reason(task)),
    message(task) && h("div", {}, folded(message(task))),
  ].filter(Boolean);
  return words.length === 0 ? "" : h("div", { class: "why" }, words);
}

export const TASK = {
  id: { title: "Task ID", id: true, value: (task) => task.id },
  name: { title: "Name", value: (task) => task.name },
  role: { title: "Role", value: (task) => task.role },
  state: { title: "State", value: (task) => task.state ?? "QUEUED", show: state },
  health: { title: "Health", optional: true, value: (task) => HEALTH[last(task)?.healthy] ?? "" },
  why: { title: "Reason and message", optional: true,
    value: (task) => `${reason(task)} ${message(task)}`.trim(), show: why },
  // What has not started yet is the newest.
  started: { title: "Started", number: true, show: time,
    value: (task) => statuses(task)[0]?.timestamp ?? Infinity },
  stopped: { title: "Stopped", number: true, show: time,
    value: (task) => last(task)?.timestamp ?? 0 },
};

// `base` is the address of a sandbox on its agent's page, `owner` whose it is.
export function sandboxLinks(base, owner) {
  const to = (text, file) => link(text, base + file, { "aria-label": `${text} of ${owner}` });
  return h("span", { class: "links" },
    to("stdout", "/stdout"), to("stderr", "/stderr"), to("sandbox", "/"));
}
