// Answers of the last five minutes, and the rates between them.

const RETAINED = 300;
const SHOWN = 120;
/** Seconds that present rates are the mean of. */
const WINDOW = 10;
const answers = [];

/** Adds an answer. A process that started again begins anew. */
function remember(data) {
  const last = answers[answers.length - 1];
  if (last && (data.uptime_seconds < last.uptime_seconds || totalOf(data) < totalOf(last))) answers.length = 0;
  if (last && answers.length && data.time_unix_seconds <= last.time_unix_seconds) return;
  answers.push(data);
  if (answers.length > RETAINED) answers.shift();
}

/** The answer before `index` that is at least `window` seconds older, or the oldest. */
function earlier(index, window) {
  const now = answers[index].time_unix_seconds;
  let at = index - 1;
  while (at > 0 && now - answers[at].time_unix_seconds < window - 0.25) at -= 1;
  return at >= 0 ? answers[at] : null;
}

/** The growth of `value` within the window that ends at `index`; null without one. */
function growth(value, window, index = answers.length - 1) {
  const before = index > 0 ? earlier(index, window) : null;
  if (!before) return null;
  const from = value(before), to = value(answers[index]);
  return isNumber(from) && isNumber(to) ? Math.max(0, to - from) : null;
}

/** The same per second. */
function perSecond(value, window, index = answers.length - 1) {
  const grown = growth(value, window, index);
  if (grown === null) return null;
  const elapsed = answers[index].time_unix_seconds - earlier(index, window).time_unix_seconds;
  return elapsed > 0 ? grown / elapsed : null;
}

/** Points of a chart: pairs of a time before now in seconds and a value. */
function points(valueAt) {
  const first = Math.max(0, answers.length - SHOWN - 1), now = answers[answers.length - 1].time_unix_seconds;
  const made = [];
  for (let index = first; index < answers.length; index += 1) {
    made.push([answers[index].time_unix_seconds - now, valueAt(index)]);
  }
  return made;
}

/** A quantile of the observations within a window, linear within a bucket. */
function quantile(histogram, q, window, index = answers.length - 1) {
  const present = answers[index].durations[histogram];
  const before = index > 0 ? earlier(index, window) : null;
  if (!present || !before || !before.durations[histogram]) return null;
  const from = before.durations[histogram].bucket_counts;
  const counts = present.bucket_counts.map((all, bucket) => Math.max(0, all - (from[bucket] || 0)));
  const total = counts.reduce((sum, some) => sum + some, 0);
  if (total === 0) return null;
  const wanted = q * total;
  let below = 0, lower = 0;
  for (let bucket = 0; bucket < present.bounds_seconds.length; bucket += 1) {
    const bound = present.bounds_seconds[bucket];
    if (counts[bucket] > 0 && below + counts[bucket] >= wanted) return lower + (bound - lower) * ((wanted - below) / counts[bucket]);
    below += counts[bucket];
    lower = bound;
  }
  return lower;
}
