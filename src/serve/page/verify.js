// Text in, verdict out.

import { Refused, byId, bytes, el, json, keyForm, milliseconds } from "/page/common.js";

const EXAMPLES = [
  { name: "Lean: a proof", kind: "lean", statement: "theorem add_comm' (a b : Nat) : a + b = b + a := by",
    code: "theorem add_comm' (a b : Nat) : a + b = b + a := by\n  exact Nat.add_comm a b\n" },
  { name: "Lean: a proof that fails", kind: "lean", statement: "",
    code: "theorem one (a : Nat) : a + 0 = a := by\n  rfl\n\ntheorem two : 2 + 2 = 5 := by\n  exact nothing_of_this_name\n" },
  { name: "Lean: a proof with a gap", kind: "lean", statement: "", code: "theorem t (p q : Prop) (hp : p) : p ∨ q := by\n  sorry\n" },
  { name: "Python: a program and its tests", kind: "python", code: "def add(a, b):\n    return a + b\n",
    tests: "assert add(1, 2) == 3\nassert add(-1, 1) == 0\n" },
  { name: "Python: a wrong answer", kind: "python", code: "def add(a, b):\n    return a - b\n", tests: "assert add(1, 2) == 3\n" },
];

/** What a verdict means: its colour, and a sentence. */
const VERDICTS = {
  accepted: ["good", ""],
  rejected: ["bad", ""],
  timeout: ["limit", "The time limit ended the check: nothing is known about the text."],
  "memory-limit": ["limit", "The memory limit ended the check."],
  "output-limit": ["limit", "It printed more than it may."],
  crashed: ["limit", "The checker died while it judged this text alone."],
  cancelled: ["limit", "It was given up before there was a verdict."],
  unavailable: ["limit", "The infrastructure failed: nothing is known about the text."],
};
const ASSURANCES = {
  tested: "Every test passed, in an interpreter that the program's code never entered.",
  elaborated: "No error and no sorry.",
  audited: "No error, no sorry, and the axioms that it rests on are within the policy, computed outside its reach.",
  kernel: "Besides, another kernel in another process has checked the terms again.",
};
const REASONS = {
  "elaboration-error": "Lean reported an error.",
  sorry: "The proof rests on sorry, or names it.",
  axiom: "It declares or names an axiom outside the policy.",
  "native-evaluation": "It asks for native evaluation.",
  "meta-code": "It can run code of its own inside the checker.",
  "forbidden-option": "It sets an option that weakens checking.",
  "statement-mismatch": "What it proves is not the pinned statement.",
  "missing-declaration": "There is no such theorem in it.",
  malformed: "The text is not one well-formed unit.",
  "syntax-error": "The program does not compile.",
  exception: "It raised where a value was expected.",
  "early-exit": "It ended the program.",
  "wrong-answer": "A test failed.",
  "missing-entry-point": "The function under test is not there.",
  "vacuous-test": "The tests ask for nothing of the program's.",
};

const editor = byId("editor");
const gutter = el("div");
const marks = new Map();
let asked = null;

const kind = () => document.querySelector("input[name=kind]:checked").value;
const own = (table, name) => (Object.hasOwn(table, name) ? table[name] : undefined);

/* The numbers beside the text */

function number() {
  const lines = editor.value.split("\n").length;
  while (gutter.childElementCount > lines) gutter.lastChild.remove();
  while (gutter.childElementCount < lines) gutter.append(el("span", `${gutter.childElementCount + 1}`));
  [...gutter.children].forEach((line, index) => (line.className = marks.get(index + 1) ?? ""));
  byId("gutter").style.minWidth = `${String(lines).length + 2}ch`;
  follow();
}

function follow() {
  gutter.style.transform = `translateY(${-editor.scrollTop}px)`;
}

function unmark() {
  marks.clear();
  number();
}

/** Selects a line of the text, in view. */
function jump(line) {
  const lines = editor.value.split("\n");
  if (line > lines.length) return;
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  const height = parseFloat(getComputedStyle(editor).lineHeight);
  editor.focus();
  editor.setSelectionRange(start, start + lines[line - 1].length);
  editor.scrollTop = Math.max(0, (line - 1) * height - editor.clientHeight / 2);
  editor.scrollIntoView({ block: "nearest" });
}

/* What is asked */

/** Texts of asserts, each with the lines that belong to it; what stands before the first is setup. */
function asserts(text) {
  const setup = [];
  const tests = [];
  for (const line of text.split("\n").filter(line => line.trim() && !line.startsWith("#"))) {
    if (/^assert\b/.test(line)) tests.push(line);
    else if (tests.length) tests[tests.length - 1] += `\n${line}`;
    else setup.push(line);
  }
  return { setup: setup.join("\n"), tests };
}

function candidate() {
  const code = editor.value;
  if (kind() === "python") {
    const { setup, tests } = asserts(byId("tests").value);
    return { id: "page", kind: "python", code, tests, ...(setup && { setup }) };
  }
  const statement = byId("statement").value.trim();
  return { id: "page", kind: "lean", code, ...(statement && { formal_statement: statement }) };
}

/** What is missing before anything can be asked, and where. */
function incomplete() {
  if (!editor.value.trim()) return ["There is no text to judge.", editor];
  if (kind() === "python" && !asserts(byId("tests").value).tests.length) {
    return ["There is no test: a program is judged by its tests.", byId("tests")];
  }
  return null;
}

async function judge() {
  asked?.abort();
  unmark();
  const wanting = incomplete();
  if (wanting) {
    show("limit", head("Not judged", "", wanting[0]));
    return wanting[1].focus();
  }
  const mine = (asked = new AbortController());
  const started = performance.now();
  const clock = el("span.note");
  const tick = setInterval(() => (clock.textContent = milliseconds(Math.round((performance.now() - started) / 100) * 100)), 200);
  busy(true);
  show("", el("div.head", el("span.badge", "Judging …"), hush(clock)));
  try {
    const judged = candidate();
    const body = JSON.stringify({ candidates: [judged] });
    const answer = await json("/v1/verify", { method: "POST", body, headers: { "Content-Type": "application/json" }, signal: mine.signal });
    report(answer.results[0], judged);
  } catch (error) {
    if (mine !== asked) return;
    if (mine.signal.aborted) show("limit", head("Stopped", "", "It was given up before there was a verdict."));
    else if (error instanceof Refused) show("limit", head("Not judged", `${error.status}`, error.message));
    else show("limit", head("Not judged", "", `The server can't be reached (${error.message}).`));
  } finally {
    clearInterval(tick);
    if (mine === asked) {
      asked = null;
      busy(false);
    }
  }
}

/** Seconds that count up are not to be read out. */
function hush(element) {
  element.setAttribute("aria-hidden", "true");
  return element;
}

function busy(is) {
  byId("run").disabled = is;
  byId("stop").hidden = !is;
}

/* What is shown */

function show(style, ...children) {
  const verdict = byId("verdict");
  verdict.className = `verdict ${style}`;
  verdict.replaceChildren(...children);
}

function head(badge, second, sentence) {
  return el("div.head", el("span.badge", badge), second ? el("span.second", second) : null, sentence ? el("p", sentence) : null);
}

function report(result, judged) {
  if (typeof result.error === "string") return show("limit", head("Not judged", "", result.error));
  const [style, sentence] = own(VERDICTS, result.verdict) ?? ["limit", ""];
  const second = result.assurance ?? result.reason ?? "";
  const words = own(ASSURANCES, result.assurance) ?? own(REASONS, result.reason) ?? sentence;
  const pinned = result.verdict === "accepted" && judged.formal_statement ? " What it proves is the pinned statement." : "";
  // Who has gone on writing has other lines there now.
  const isThere = editor.value === judged.code;
  for (const { line, severity } of isThere ? result.messages : []) {
    const worst = [marks.get(line), severity].includes("error") ? "error" : severity;
    if (line) marks.set(line, worst);
  }
  number();
  show(style, head(result.verdict, second, words + pinned), messages(result.messages, judged.code, isThere), facts(result));
}

function messages(all, code, isThere) {
  if (!all.length) return "";
  const lines = code.split("\n");
  const one = ({ line, column, severity, text }) => {
    const quoted = line ? lines[line - 1] : undefined;
    const where = line ? `line ${line}${column === null ? "" : `:${column + 1}`}` : "";
    const place = quoted === undefined || !isThere ? where : el("button", where);
    if (place !== where) {
      place.type = "button";
      place.addEventListener("click", () => jump(line));
    }
    const quote = quoted?.trim() ? el("pre.quote", quoted) : null;
    return el(`li.${severity}`, el("div.where", place, el("span.severity", severity)), el("div", quote, el("pre", text)));
  };
  return el("ul.messages", ...all.map(one));
}

function facts({ usage, checker, protection, cached }) {
  const spent = `${milliseconds(usage.wall_ms)} by the clock, ${milliseconds(usage.cpu_ms)} of CPU, at most ${bytes(usage.peak_memory_bytes)}`;
  const rows = [
    ["cost", cached ? `${spent}; this answer came from the verdict cache` : spent],
    ["judged by", [checker.name, checker.version, checker.toolchain].filter(Boolean).join(", ")],
  ];
  const list = el("dl.facts", ...rows.flatMap(([name, value]) => [el("dt", name), el("dd", value)]));
  if (protection.length) list.append(el("dt", "protection"), el("dd", ...protection.map(name => el("span.chip", name))));
  return list;
}

/* The form */

function choose(value) {
  document.querySelector(`input[name=kind][value=${value}]`).checked = true;
  for (const field of document.querySelectorAll("[data-for]")) field.hidden = field.dataset.for !== value;
  byId("editor-label").textContent = value === "lean" ? "Lean file" : "Python program";
  const missing = byId("missing");
  missing.hidden = !missing.dataset.kinds?.split(" ").includes(value);
}

function fill({ kind, code = "", statement = "", tests = "" }) {
  asked?.abort();
  asked = null;
  busy(false);
  choose(kind === "python" ? "python" : "lean");
  editor.value = code;
  byId("statement").value = statement;
  byId("tests").value = tests;
  show("");
  unmark();
}

/** A link holds the text in its fragment, which no server sees. It fills the fields; only the reader judges. */
function fromLink() {
  const told = new URLSearchParams(location.hash.slice(1));
  if (!told.has("code")) return false;
  fill(Object.fromEntries(told));
  return true;
}

function toLink() {
  const told = new URLSearchParams({ kind: kind(), code: editor.value });
  const more = kind() === "lean" ? "statement" : "tests";
  if (byId(more).value) told.set(more, byId(more).value);
  byId("link").href = `#${told}`;
}

/** Says where a kind can't be judged here. */
async function installed() {
  const { toolchains } = await json("/v1/toolchains");
  const kinds = ["lean", "python"].filter(kind => !toolchains.some(one => one.kind === kind));
  const missing = byId("missing");
  missing.dataset.kinds = kinds.join(" ");
  missing.textContent = "This is not installed on the server: its operator runs `proofloop setup`.";
  choose(kind());
}

byId("gutter").append(gutter);
byId("examples").append(el("option", "Examples …"), ...EXAMPLES.map(({ name }) => el("option", name)));
byId("examples").addEventListener("change", event => {
  const example = EXAMPLES[event.target.selectedIndex - 1];
  if (example) fill(example);
  event.target.selectedIndex = 0;
});
byId("judge").addEventListener("submit", event => {
  event.preventDefault();
  judge();
});
byId("judge").addEventListener("keydown", event => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  judge();
});
byId("judge").addEventListener("change", event => event.target.name === "kind" && choose(kind()));
byId("stop").addEventListener("click", () => asked?.abort());
// Marks are of the text that was judged.
editor.addEventListener("input", unmark);
editor.addEventListener("scroll", follow);
for (const moment of ["focus", "pointerenter"]) byId("link").addEventListener(moment, toLink);
byId("link").addEventListener("click", toLink);
addEventListener("hashchange", fromLink);

keyForm(() => {
  document.dispatchEvent(new Event("key-given"));
  installed().catch(() => {});
});
if (!fromLink()) fill(EXAMPLES[0]);
installed().catch(() => {});
