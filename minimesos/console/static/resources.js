// Amounts of resources: what there is, who holds it, and shares of it.

import { h } from "./dom.js";
import { megabytes, number, percent } from "./words.js";

const KINDS = [
  ["cpus", "CPUs", number],
  ["gpus", "GPUs", number],
  ["mem", "Memory", megabytes],
  ["disk", "Disk", megabytes],
];
const KNOWN = new Set(KINDS.map(([name]) => name));

// The kinds of which there is some: the four that Mesos knows, and whatever else agents count.
function kindsOf(total) {
  const others = Object.keys(total).filter(
    (name) => !KNOWN.has(name) && typeof total[name] === "number");
  return [...KINDS, ...others.sort().map((name) => [name, name, number])]
    .filter(([name]) => total[name] > 0);
}

export function add(left, right) {
  const sum = { ...left };
  for (const [name, amount] of Object.entries(right ?? {})) {
    if (typeof amount === "number") sum[name] = (sum[name] ?? 0) + amount;
  }
  return sum;
}

// The largest share that `held` has of any kind, the name of that kind, and how much of the share
// is `used`. What is offered counts as held, as in the allocator.
export function dominantShare(held, used, total, excluded = new Set()) {
  let largest = { share: 0, used: 0, of: "" };
  for (const [name, title] of kindsOf(total)) {
    const share = (held[name] ?? 0) / total[name];
    if (share > largest.share && !excluded.has(name)) {
      largest = { share, used: (used[name] ?? 0) / total[name], of: title };
    }
  }
  return largest;
}

// ---- columns ---------------------------------------------------------------------------------

export function resourceColumns(of) {
  return KINDS.map(([name, title, show]) => ({
    title, number: true, optional: name === "gpus" || name === "disk", show,
    value: (row) => of(row)?.[name] ?? 0,
  }));
}

// Of an agent: what is allocated of what it has, with what is offered in the picture.
export function useColumns() {
  return KINDS.map(([name, title, show]) => ({
    title, number: true, optional: name === "gpus" || name === "disk",
    value: (agent) => agent.used_resources[name] ?? 0,
    show: (used, agent) => {
      const total = agent.resources[name] ?? 0;
      const offered = agent.offered_resources[name] ?? 0;
      if (total === 0) return "";
      const words = `${show(used)} allocated, ${show(offered)} offered of ${show(total)}`;
      return h("span", { class: "use", title: words }, `${show(used)} of ${show(total)}`,
        bar([["used", used / total], ["offered", offered / total]]));
    },
  }));
}

export const SHARE = { title: "Dominant share", number: true, value: (row) => row.share.share,
  show: (_, { share }) => {
    const offered = share.share - share.used;
    const title = `${percent(share.used)} allocated, ${percent(offered)} offered`;
    return h("span", { class: "use", title }, `${percent(share.share)} ${share.of}`.trim(),
      bar([["used", share.used], ["offered", offered]]));
  } };

// ---- pictures --------------------------------------------------------------------------------

// Says nothing that the words beside it do not say.
function bar(parts) {
  return h("span", { class: "bar", "aria-hidden": "true" }, parts.map(([kind, share]) =>
    h("span", { class: kind, "width%": Math.min(100, 100 * share) })));
}

// Of each kind: allocated, offered, idle, total. `offered` is null where nobody makes offers.
export function resourceTable(total, allocated, offered = null) {
  const kinds = kindsOf(total);
  if (kinds.length === 0) return h("p", { class: "empty" }, "There are no resources yet.");
  const columns = ["Allocated", ...(offered === null ? [] : ["Offered"]), "Idle", "Total"];
  const rows = kinds.flatMap(([name, title, show]) => {
    const most = total[name];
    const taken = allocated[name] ?? 0;
    const held = offered?.[name] ?? 0;
    const idle = Math.max(0, most - taken - held);
    const amounts = [taken, ...(offered === null ? [] : [held]), idle, most];
    return [
      h("tr", {}, h("th", { scope: "row" }, title), amounts.map((each) => h("td", {}, show(each)))),
      h("tr", { "aria-hidden": "true" }, h("td", { colspan: columns.length + 1 },
        bar([["used", taken / most], ["offered", held / most]]))),
    ];
  });
  const keys = { Allocated: "used", Offered: "offered", Idle: "idle" };
  const key = (title) => (keys[title] ? h("i", { class: `key ${keys[title]}` }) : "");
  return h("table", { class: "amounts" },
    h("thead", {}, h("tr", {}, h("td"), columns.map((title) =>
      h("th", { scope: "col" }, key(title), title)))),
    h("tbody", {}, rows));
}
