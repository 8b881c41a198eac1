// Cards that all pages have.

function drawBudget(data) {
  const { used_bytes: used, limit_bytes: limit, peak_bytes: peak } = data.budget;
  const text = `${bytes(used)} of ${bytes(limit)} · peak ${bytes(peak)}`;
  setText($("budget-numbers"), text);
  meter($("budget-meter"), used / limit, peak / limit, text);
  const shares = points((index) => answers[index].budget.used_bytes / answers[index].budget.limit_bytes);
  lines($("budget"), "Use of the memory budget over two minutes", percent, [{ points: shares, className: "first", area: true }], 1);
}

let drawnDiagnostics = "";
function drawDiagnostics(data) {
  const newest = data.diagnostics.slice().reverse();
  const state = JSON.stringify(newest);
  if (state === drawnDiagnostics && newest.length) return;
  drawnDiagnostics = state;
  if (!newest.length) {
    $("diagnostics").replaceChildren(element("li", "muted whole", "None since the start"));
    return;
  }
  $("diagnostics").replaceChildren(...newest.map((report) => {
    const row = element("li"), at = new Date(report.time_unix_seconds * 1000);
    const time = element("time", "muted", at.toLocaleTimeString("en-GB"));
    time.dateTime = at.toISOString();
    const isBad = report.level === "error" || report.level === "fatal";
    row.append(time, element("span", isBad ? "bad" : "muted", report.level), element("span", "text", report.message));
    return row;
  }));
}
