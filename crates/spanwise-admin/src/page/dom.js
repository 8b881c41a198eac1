// Elements and numbers. Text of the process becomes text nodes alone, never markup.

const $ = (id) => document.getElementById(id);

/** An element with a class and text. */
function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** An SVG element with attributes and text. */
function svg(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key of Object.keys(attributes || {})) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Sets the text if it differs, so that a selection of the reader survives. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A count: 12, 3.4 k, 5.6 M. */
function count(value) {
  if (!isNumber(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e9) return digits(value / 1e9) + " G";
  if (size >= 1e6) return digits(value / 1e6) + " M";
  if (size >= 1e4) return digits(value / 1e3) + " k";
  if (size >= 1000) return Math.round(value).toLocaleString("en-US");
  return digits(value);
}

function digits(value) {
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return value.toFixed(size >= 10 ? 1 : size >= 1 ? 1 : size > 0 ? 2 : 0);
}

/** A count with its noun. */
function counted(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** A rate per second; 0 only for none at all. */
function rate(value) {
  if (!isNumber(value)) return "–";
  if (value > 0 && value < 0.1) return "< 0.1";
  return count(Math.abs(value) < 10 ? Math.round(value * 10) / 10 : Math.round(value));
}

function bytes(value) {
  if (!isNumber(value)) return "–";
  if (value >= 1 << 30) return digits(value / (1 << 30)) + " GiB";
  if (value >= 1 << 20) return digits(value / (1 << 20)) + " MiB";
  if (value >= 1 << 10) return digits(value / (1 << 10)) + " KiB";
  return Math.round(value) + " B";
}

/** A duration of seconds. */
function seconds(value) {
  if (!isNumber(value)) return "–";
  if (value >= 1) return digits(value) + " s";
  if (value >= 1e-3) return digits(value * 1e3) + " ms";
  if (value >= 1e-6) return digits(value * 1e6) + " µs";
  return Math.round(value * 1e9) + " ns";
}

/** A long duration: 3 d 4 h, 5 min 6 s. */
function age(value) {
  const whole = Math.max(0, Math.floor(value));
  const days = Math.floor(whole / 86400), hours = Math.floor(whole / 3600) % 24;
  const minutes = Math.floor(whole / 60) % 60, rest = whole % 60;
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  if (minutes) return `${minutes} min ${rest} s`;
  return `${rest} s`;
}

/** The time since an event. */
function ago(value) {
  return value < 1 ? "now" : `${age(value)} ago`;
}

function percent(share) {
  if (!isNumber(share)) return "–";
  const value = share * 100;
  if (value > 0 && value < 0.01) return "< 0.01 %";
  return (value >= 99.95 || value === 0 ? Math.round(value) : value >= 10 ? value.toFixed(1) : value.toFixed(2)) + " %";
}
