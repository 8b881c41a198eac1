// The attributes of sampled spans, asked for while the card is open: the process samples spans only then.

async function askAttributes() {
  const answer = await fetch("/debug/attributes.json", { cache: "no-store", signal: AbortSignal.timeout(4000) });
  if (!answer.ok) throw new Error(`the process answers ${answer.status}`);
  return answer.json();
}

function drawAttributes(data) {
  const share = data.bytes ? data.attribute_bytes / data.bytes : 0;
  setText($("attributes-total"), data.spans ? `${counted(data.spans, "sampled span")} · attributes are ${percent(share)} of the bytes before compression` : "waiting for spans that end");
  $("attributes").replaceChildren(...data.keys.slice(0, 20).map((it) => {
    const row = element("tr"), values = (it.values_exact ? "" : "~") + count(it.values);
    const note = it.one_value ? "one value" : it.near_unique ? "near-unique" : "";
    row.append(element("td", "muted", it.place), element("td", "code", it.key), element("td", "n", percent(it.share)), element("td", "n", bytes(it.bytes)), element("td", "n", count(it.occurrences)), element("td", "n", values), element("td", "muted", note));
    return row;
  }));
  $("attributes-advice").replaceChildren(...data.advice.map((it) => element("li", "", it)));
}

async function afterDraw() {
  if (!$("attributes-card").open) return;
  try {
    drawAttributes(await askAttributes());
  } catch {
    setText($("attributes-total"), "The process does not answer");
  }
}
$("attributes-card").addEventListener("toggle", afterDraw);
