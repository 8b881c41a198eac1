// The rules of redaction that acted. A process without rules has no card.

function drawRedaction(data) {
  const redaction = data.redaction;
  $("redaction-card").hidden = !redaction;
  if (!redaction) return;
  const rules = redaction.rules.filter((it) => it.values > 0).sort((one, other) => other.values - one.values);
  const all = rules.reduce((sum, it) => sum + it.values, 0);
  const failed = redaction.failures ? ` · ${count(redaction.failures)} could not be read and were deleted` : "";
  setText($("redaction-total"), `${count(all)} values by ${rules.length} of ${counted(redaction.rules.length, "rule")}${failed}`);
  const valuesOf = (name) => (answer) => {
    const rule = answer.redaction && answer.redaction.rules.find((it) => it.name === name);
    return rule ? rule.values : 0;
  };
  $("redaction").replaceChildren(...rules.slice(0, 20).map((it) => {
    const row = element("tr");
    row.append(element("td", "code", it.name), element("td", "n", count(it.values)), element("td", "n muted", rate(perSecond(valuesOf(it.name), WINDOW)) + "/s"));
    return row;
  }));
}
