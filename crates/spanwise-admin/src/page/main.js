// Asks for the data of `DATA` every second, and draws it by each of `PARTS`; then calls `afterDraw`.

const EVERY = 1000;
let isPaused = false;
let failedSince = null;

async function ask() {
  const answer = await fetch(DATA, { cache: "no-store", signal: AbortSignal.timeout(4000) });
  if (!answer.ok) throw new Error(`the process answers ${answer.status}`);
  return answer.json();
}

function draw() {
  const data = answers[answers.length - 1];
  if (!data) return;
  $("main").classList.toggle("stale", failedSince !== null);
  for (const part of PARTS) part(data);
}

function drawFailure() {
  $("main").classList.add("stale");
  $("state").dataset.level = "bad";
  setText($("state"), "no answer");
  $("summary").dataset.level = "bad";
  setText($("summary-text"), "The process does not answer");
  setText($("summary-detail"), `since ${failedSince.toLocaleTimeString("en-GB")}; asking again every second`);
}

async function turn() {
  const began = performance.now();
  if (!isPaused && !document.hidden) {
    try {
      remember(await ask());
      failedSince = null;
      draw();
      afterDraw();
    } catch {
      failedSince = failedSince || new Date();
      drawFailure();
    }
  }
  // The second answer comes early: rates need two.
  const wait = answers.length === 1 ? 300 : EVERY;
  setTimeout(turn, Math.max(50, wait - (performance.now() - began)));
}

$("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  $("pause").setAttribute("aria-pressed", String(isPaused));
  setText($("pause"), isPaused ? "Resume" : "Pause");
});

const THEMES = { auto: "light dark", light: "light", dark: "dark" };
$("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES), present = document.documentElement.dataset.theme || "auto";
  const next = names[(names.indexOf(present) + 1) % names.length];
  document.documentElement.dataset.theme = next;
  document.documentElement.style.colorScheme = THEMES[next];
  setText($("theme"), `Theme: ${next}`);
});

let isResizing = 0;
addEventListener("resize", () => {
  clearTimeout(isResizing);
  isResizing = setTimeout(draw, 80);
});
turn();
