// What the server is doing: asked for each second, as long as somebody looks.

import { Refused, ask, byId, bytes, count, duration, el, json, key } from "/page/common.js";

const EVERY_MS = 1000;
const RUNS_EVERY_MS = 15_000;
const WINDOW_S = 120;
/** A pause longer than this is a gap in the lines. */
const GAP_S = 5;

const SERIES = [
  { style: "one", name: "accepted", of: state => state.farm.verdicts.accepted ?? 0 },
  { style: "two", name: "rejected", of: state => state.farm.verdicts.rejected ?? 0 },
  { style: "three", name: "other verdicts", of: state => sum(state.farm.verdicts) - (state.farm.verdicts.accepted ?? 0) - (state.farm.verdicts.rejected ?? 0) },
  { style: "four", name: "snippets and programs", of: state => sum(state.outcomes.snippets) + sum(state.outcomes.programs) },
];

/** Rates with the moment at which each was known, in seconds. */
let rates = [];
let before = null;
let timer = 0;
let runsAt = -Infinity;

const sum = counts => Object.values(counts).reduce((all, one) => all + one, 0);

/* Polling */

async function poll() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    draw(await json("/v1/state"));
    offline("");
    if (performance.now() - runsAt > RUNS_EVERY_MS) {
      runsAt = performance.now();
      await runs();
    }
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return offline("", true);
    const why = error instanceof Refused ? error.message : "it can't be reached";
    offline(`The server does not tell its state: ${why}. It is asked again.`, true);
  }
  clearTimeout(timer);
  timer = setTimeout(poll, EVERY_MS);
}

function offline(text, stale = false) {
  byId("offline").hidden = !text;
  byId("offline").textContent = text;
  document.querySelector(".state").classList.toggle("stale", stale);
}

/* Numbers and bars */

function draw(state) {
  const now = performance.now() / 1000;
  const counts = SERIES.map(series => series.of(state));
  if (before && state.uptime_s >= before.uptime) {
    const passed = now - before.now;
    const values = passed > GAP_S ? null : counts.map((one, index) => Math.max(0, one - before.counts[index]) / passed);
    rates.push({ now, values });
  }
  before = { now, counts, uptime: state.uptime_s };
  rates = rates.filter(rate => now - rate.now < WINDOW_S + GAP_S);
  const { farm, gates } = state;
  byId("uptime").textContent = `${state.version}, up ${duration(state.uptime_s)}${state.draining ? ", stopping" : ""}`;
  byId("waiting").textContent = count(gates.farm.waiting + farm.waiting + gates.snippets.waiting + gates.programs.waiting);
  byId("under-way").textContent = `${count(state.items_under_way)} not answered`;
  byId("rate").textContent = lately(now);
  byId("total").textContent = `${count(sum(farm.verdicts))} in all`;
  byId("memory").textContent = bytes(state.memory.server);
  byId("available").textContent = state.memory.available === null ? "" : `machine: ${bytes(state.memory.available)} free`;
  bars([
    ["Verdicts", farm.running, farm.workers, gates.farm.waiting + farm.waiting],
    ["Snippets", gates.snippets.taken, gates.snippets.places, gates.snippets.waiting],
    ["Programs", gates.programs.taken, gates.programs.places, gates.programs.waiting],
  ]);
  chart(now);
}

/** Verdicts a second over the last 5 seconds. */
function lately(now) {
  const last = rates.filter(rate => rate.values && now - rate.now < 5);
  if (!last.length) return "–";
  const each = last.map(({ values }) => values[0] + values[1] + values[2]);
  return number(each.reduce((all, one) => all + one, 0) / each.length);
}

const number = value => (value && value < 10 ? value.toFixed(1) : count(Math.round(value)));

function bars(all) {
  const box = byId("workers");
  if (!box.childElementCount) {
    for (const [name] of all) {
      const bar = el("progress");
      bar.setAttribute("aria-label", `${name}: workers busy`);
      box.append(el("span", name), bar, el("span.of"));
    }
  }
  all.forEach(([, busy, of, waiting], row) => {
    const bar = box.children[row * 3 + 1];
    [bar.max, bar.value] = [Math.max(1, of), busy];
    box.children[row * 3 + 2].textContent = `${busy} of ${of} busy${waiting ? `, ${count(waiting)} wait` : ""}`;
  });
}

/* Lines */

/** As wide as there is room, so that its letters have the size of the others. */
const BOX = { left: 34, right: 596, top: 8, bottom: 128, height: 150 };

function svg(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** 1, 2 or 5 times a power of ten, at least `value`. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map(step => step * power).find(step => step >= value);
}

function chart(now) {
  BOX.right = Math.max(200, byId("chart").parentElement.clientWidth) - 4;
  byId("chart").setAttribute("viewBox", `0 0 ${BOX.right + 4} ${BOX.height}`);
  const top = ceiling(Math.max(1, ...rates.flatMap(rate => rate.values ?? [])));
  const x = at => BOX.right - ((now - at) / WINDOW_S) * (BOX.right - BOX.left);
  const y = value => BOX.bottom - (value / top) * (BOX.bottom - BOX.top);
  const parts = [0, top / 2, top].flatMap(value => [
    svg("line", { class: "grid", x1: BOX.left, x2: BOX.right, y1: y(value), y2: y(value) }),
    svg("text", { x: BOX.left - 6, y: y(value) + 4, "text-anchor": "end" }, value >= 1000 ? `${value / 1000}k` : `${value}`),
  ]);
  for (const ago of [120, 60, 0]) {
    const anchor = { 120: "start", 60: "middle", 0: "end" }[ago];
    parts.push(svg("text", { x: x(now - ago), y: 146, "text-anchor": anchor }, ago ? `${ago} s ago` : "now"));
  }
  SERIES.forEach(({ style }, index) => {
    for (const line of unbroken()) {
      const points = line.map(rate => `${x(rate.now).toFixed(1)},${y(rate.values[index]).toFixed(1)}`);
      parts.push(svg("polyline", { class: style, points: points.join(" ") }));
    }
  });
  byId("chart").replaceChildren(byId("chart-title"), ...parts);
}

/** The rates, broken where nobody looked. */
function unbroken() {
  const lines = [[]];
  for (const rate of rates.filter(rate => before.now - rate.now <= WINDOW_S)) {
    if (rate.values) lines[lines.length - 1].push(rate);
    else lines.push([]);
  }
  return lines.filter(line => line.length);
}

/* Toolchains and runs */

async function toolchains() {
  const { toolchains } = await json("/v1/toolchains");
  const rows = toolchains.map(one => el("li", el("b", one.checker), ` ${one.rules}${one.repl ? ", keeps imports loaded" : ""} `, el("code", one.toolchain)));
  byId("toolchains").replaceChildren(...(rows.length ? rows : [el("li.note", "none: the server's operator runs `proofloop setup`")]));
}

async function runs() {
  const { runs, left_out } = await json("/v1/runs");
  byId("no-runs").hidden = runs.length > 0;
  byId("runs-box").hidden = !runs.length;
  const rows = runs.map(row);
  if (left_out) {
    const rest = el("td.note", `${count(left_out)} more are not shown`);
    rest.colSpan = 8;
    rows.push(el("tr", rest));
  }
  byId("runs").tBodies[0].replaceChildren(...rows);
}

function row(run) {
  const name = el("th", run.name);
  name.scope = "row";
  const of = [run.about, run.model].filter(Boolean).join(", by ") || "–";
  const pass = run.pass.map(({ k, value, low, high }) =>
    el("div", `pass@${k} ${percent(value)} % `, el("span.range", `[${percent(low)}, ${percent(high)}]`)));
  const progress = [
    run.iterations && `${count(run.iterations.count)} of ${count(run.iterations.of)} iterations`,
    run.stages && run.state !== "finished" && `${count(run.stages.count)} of ${count(run.stages.of)} stages`,
    run.samples && `${count(run.samples.count)}${run.samples.count < run.samples.of ? ` of ${count(run.samples.of)}` : ""} samples`,
  ].filter(Boolean);
  return el("tr", name,
    el("td", el(`span.dot.${run.state}`, run.state), el("div.note", run.kind === "selfplay" ? "self-play" : run.kind)),
    el("td", run.problem ? el("span.note", run.problem) : of),
    el("td", ...progress.map(text => el("div", text))),
    el("td", run.solved ? `${count(run.solved.count)} of ${count(run.solved.of)}` : "–"),
    el("td", ...(pass.length ? pass : ["–"])),
    el("td", el("div", new Date(run.changed_s * 1000).toLocaleString("sv").slice(0, 16))),
    el("td", link(run.name)));
}

const percent = share => (share * 100).toFixed(1);

/** A link can't carry a key: with one, the report is fetched and saved. It holds all that it shows. */
function link(name) {
  const address = `/v1/runs/${encodeURIComponent(name)}/report`;
  if (!key.get()) {
    const open = el("a", "report");
    [open.href, open.target, open.rel] = [address, "_blank", "noopener"];
    open.setAttribute("aria-label", `report of ${name}`);
    return open;
  }
  const save = el("button", "save");
  save.type = "button";
  save.setAttribute("aria-label", `save the report of ${name}`);
  save.addEventListener("click", async () => {
    save.disabled = true;
    try {
      const page = el("a");
      page.href = URL.createObjectURL(await (await ask(address)).blob());
      page.download = `${name}.html`;
      page.click();
      setTimeout(() => URL.revokeObjectURL(page.href), 60_000);
    } catch (error) {
      save.title = error.message;
      save.textContent = "failed";
    } finally {
      save.disabled = false;
    }
  });
  return save;
}

function begin() {
  runsAt = -Infinity;
  poll();
  toolchains().catch(() => {});
}

for (const { style, name } of SERIES) byId("legend").append(el("span.key", el(`i.${style}`), name));
document.addEventListener("visibilitychange", poll);
addEventListener("resize", () => before && chart(before.now));
document.addEventListener("key-given", begin);
begin();
