// Numbers, times and states as people read them.

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const ROUGH = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const number = (value) => NUMBER.format(Number(value ?? 0));

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
  return `${(size < 100 ? ROUGH : WHOLE).format(size)} ${units[unit]}`;
}

export function bytes(value) {
  return value < 1024 ? `${value} B`
    : value < 2 ** 20 ? `${number(value / 1024)} KB` : megabytes(value / 2 ** 20);
}

export const percent = (share) => `${ROUGH.format(100 * share)} %`;

// ---- times -----------------------------------------------------------------------------------

export function age(seconds, now = Date.now() / 1000) {
  const passed = Math.max(0, now - seconds);
  if (passed < 60) return `${Math.floor(passed)} s ago`;
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ago`;
  return `${Math.floor(passed / 86400)} d ago`;
}

// Seconds since the epoch as an age that `tick` keeps true; its date is in the tooltip.
export function time(seconds) {
  const when = new Date(seconds * 1000);
  if (!seconds || Number.isNaN(when.getTime())) return "";
  const element = document.createElement("time");
  element.dateTime = when.toISOString();
  element.title = when.toLocaleString();
  element.textContent = age(seconds);
  return element;
}

export function tick() {
  for (const element of document.getElementsByTagName("time")) {
    const text = age(Date.parse(element.dateTime) / 1000);
    if (element.textContent !== text) element.firstChild.data = text;
  }
}

// ---- states ----------------------------------------------------------------------------------

const GOOD = new Set(["RUNNING", "FINISHED", "Active"]);
const BAD = new Set(["FAILED", "LOST", "ERROR", "DROPPED", "GONE", "GONE_BY_OPERATOR",
  "UNREACHABLE", "Inactive", "Disconnected"]);
const short = (name) => name.replace(/^TASK_/, "");

export const isFailure = (name) => BAD.has(short(name));

export function state(name) {
  const word = short(name);
  const kind = GOOD.has(word) ? "state good" : BAD.has(word) ? "state bad" : "state";
  const element = document.createElement("span");
  element.className = kind;
  element.textContent = word;
  return element;
}
