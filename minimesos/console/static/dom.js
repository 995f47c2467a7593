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
  element.append(...children.flat().map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

// A link to a page of this console or another host's; never to a javascript: address.
export function link(text, href) {
  const safe = /^(https?:)?\/\/|^[#/]/i.test(href);
  return safe ? h("a", { href }, text) : h("span", {}, text);
}

// Of the ids that a master mints only the end differs; the whole one is in the tooltip.
export function shortId(id) {
  const short = id.replace(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-(?=.)/, "…-");
  return h("span", { title: id }, short);
}

export function facts(pairs) {
  return h("dl", {}, pairs.flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [h("dt", {}, name), h("dd", {}, value)]));
}

// ---- words and numbers -----------------------------------------------------------------------

export function number(value) {
  return Number(value ?? 0).toLocaleString("en", { maximumFractionDigits: 2 });
}

// Mesos counts memory and disk in MB.
export function megabytes(value) {
  const units = ["MB", "GB", "TB", "PB"];
  let size = Number(value ?? 0);
  let unit = 0;
  if (size === 0) return "0";
  while (Math.abs(size) >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size.toLocaleString("en", { maximumFractionDigits: 1 })} ${units[unit]}`;
}

export function bytes(value) {
  return value < 1024 ? `${value} B`
    : value < 2 ** 20 ? `${number(value / 1024)} KB` : megabytes(value / 2 ** 20);
}

export function percent(share) {
  return `${(100 * share).toLocaleString("en", { maximumFractionDigits: 1 })} %`;
}

// Seconds since the epoch, as a time that tells its date in its tooltip.
export function time(seconds) {
  if (!seconds) return "";
  const when = new Date(seconds * 1000);
  return h("time", { datetime: when.toISOString(), title: when.toLocaleString() }, age(seconds));
}

export function age(seconds) {
  const passed = Math.max(0, Date.now() / 1000 - seconds);
  if (passed < 60) return `${Math.floor(passed)} s ago`;
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ago`;
  return `${Math.floor(passed / 86400)} d ago`;
}

const GOOD = new Set(["RUNNING", "FINISHED", "STARTING", "STAGING", "Active"]);
const BAD = new Set(["FAILED", "LOST", "ERROR", "DROPPED", "GONE", "UNREACHABLE", "Unreachable",
  "Inactive", "Disconnected"]);

export function state(name) {
  const short = name.replace(/^TASK_/, "");
  const kind = GOOD.has(short) ? "state good" : BAD.has(short) ? "state bad" : "state";
  return h("span", { class: kind }, short);
}

// ---- resources -------------------------------------------------------------------------------

const KINDS = [
  ["cpus", "CPUs", number],
  ["gpus", "GPUs", number],
  ["mem", "Memory", megabytes],
  ["disk", "Disk", megabytes],
];

export function resourceColumns(of) {
  return KINDS.filter(([name]) => name !== "gpus").map(([name, title, show]) => ({
    title, number: true, value: (row) => of(row)?.[name] ?? 0, show,
  }));
}

// Bars of what is used and offered of each kind of which there is some.
export function meters(total, used, offered = null) {
  const bars = KINDS.filter(([name]) => total[name] > 0).map(([name, title, show]) => {
    const share = (amount) => Math.min(100, (100 * (amount ?? 0)) / total[name]);
    const held = (used[name] ?? 0) + (offered?.[name] ?? 0);
    const words = `${show(held)} of ${show(total[name])}`;
    return h("div", { class: "meter" },
      h("div", { class: "words" }, h("span", {}, title), h("span", {}, words)),
      h("div", { class: "bar", role: "img", "aria-label": `${title}: ${words}` },
        h("div", { class: "used", "width%": share(used[name]) }),
        h("div", { class: "offered", "width%": share(offered?.[name]) })));
  });
  if (bars.length === 0) return h("p", { class: "empty" }, "No resources yet.");
  return h("div", {}, bars, h("p", { class: "legend" },
    h("span", {}, h("i", { class: "used" }), "used"),
    offered === null ? "" : h("span", {}, h("i", { class: "offered" }), "offered"),
    h("span", {}, h("i", {}), "idle")));
}

export function add(left, right) {
  const sum = { ...left };
  for (const [name] of KINDS) sum[name] = (left[name] ?? 0) + (right?.[name] ?? 0);
  return sum;
}

// The largest share that `used` has of any kind of resource.
export function dominantShare(used, total) {
  return Math.max(0, ...KINDS.filter(([name]) => total[name] > 0)
    .map(([name]) => (used?.[name] ?? 0) / total[name]));
}
