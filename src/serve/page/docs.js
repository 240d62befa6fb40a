// Draws openapi.json: addresses by tag, what they take and give, and a request to send.

import { byId, el, key, keyForm, milliseconds, refused } from "/page/common.js";

/** Deeper schemas are opened by hand; a type inside itself ends there. */
const DEPTH = 2;
/** More of an answer is not shown. */
const SHOWN_CHARS = 200_000;

let api;

/* Schemas */

const nameOf = schema => schema?.$ref?.split("/").pop();

function resolve(part) {
  let found = part ?? {};
  for (let hops = 0; found.$ref && hops < 10; hops++) {
    found = found.$ref.slice(2).split("/").reduce((at, step) => at?.[step.replaceAll("~1", "/").replaceAll("~0", "~")], api) ?? {};
  }
  return found;
}

/** What stands in for a schema of one of several forms: the forms, `null` left out. */
function forms(schema) {
  const all = schema.oneOf ?? schema.anyOf ?? [];
  return all.filter(form => resolve(form).type !== "null");
}

/** An object whose parts stand in several schemas (`allOf`), as one. */
function whole(part) {
  const schema = resolve(part);
  if (!schema.allOf) return schema;
  return schema.allOf.map(whole).reduce((all, one) => ({
    ...all, ...one,
    properties: { ...all.properties, ...one.properties },
    required: [...(all.required ?? []), ...(one.required ?? [])],
  }), { ...schema, allOf: undefined });
}

function type(part) {
  const schema = whole(part);
  const several = forms(schema);
  if (several.length) return several.map(type).join(" or ");
  if (schema.enum) return schema.enum.map(value => JSON.stringify(value)).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const names = [schema.type ?? (schema.properties ? "object" : "any")].flat().filter(name => name !== "null");
  return names.map(name => {
    if (name === "array") return `list of ${type(schema.items ?? {})}`;
    const values = schema.additionalProperties;
    if (name === "object" && typeof values === "object" && !schema.properties) return `names, each with ${type(values)}`;
    if (name === "object") return nameOf(part) ?? schema.title ?? "object";
    return { string: "text", integer: "whole number", boolean: "true or false" }[name] ?? name;
  }).join(" or ");
}

/** The schema that has properties, behind lists and forms. */
function withProperties(part) {
  const schema = whole(part);
  if (schema.properties) return schema;
  if (schema.items) return withProperties(schema.items);
  const values = typeof schema.additionalProperties === "object" ? [schema.additionalProperties] : [];
  return [...forms(schema), ...values].map(withProperties).find(Boolean);
}

/** The parts of a schema; of one that is sent, what must be there is marked and comes first. */
function tree(part, isSent = false, depth = 0, above = []) {
  const schema = withProperties(part);
  if (!schema || above.includes(schema)) return null;
  const isNeeded = name => isSent && !!schema.required?.includes(name);
  const all = Object.entries(schema.properties).sort(([a], [b]) => isNeeded(b) - isNeeded(a));
  const rows = all.map(([name, property]) => {
    const about = [property, resolve(property), ...forms(resolve(property))].map(one => one.description).find(Boolean);
    const below = tree(property, isSent, depth + 1, [...above, schema]);
    const must = isNeeded(name) ? el("span.must", " required") : null;
    const inner = below && (depth + 1 < DEPTH ? below : el("details", el("summary", "its parts"), below));
    return el("li", el("code", name), " ", el("span.type", type(property)), must, ...said(about), inner);
  });
  return el("ul.schema", ...rows);
}

/** A value that the schema describes: what it gives itself, else the least that is needed. */
function example(part, depth = 0) {
  const schema = whole(part);
  const given = schema.example ?? schema.examples?.[0] ?? schema.default ?? schema.const ?? schema.enum?.[0];
  if (given !== undefined) return given;
  const several = forms(schema);
  if (several.length) return example(several[0], depth);
  const kind = [schema.type ?? (schema.properties ? "object" : "any")].flat().find(name => name !== "null");
  if (kind === "array") return depth > 5 || !schema.items ? [] : [example(schema.items, depth + 1)];
  if (kind === "object") {
    const names = schema.required?.length ? schema.required : Object.keys(schema.properties ?? {});
    return Object.fromEntries(depth > 5 ? [] : names.map(name => [name, example(schema.properties?.[name] ?? {}, depth + 1)]));
  }
  return { string: "", integer: schema.minimum ?? 0, number: schema.minimum ?? 0, boolean: false }[kind] ?? null;
}

/** Text with its `code`. */
const prose = text => (text ?? "").split(/`([^`]+)`/).map((part, place) => (place % 2 ? el("code", part) : part));
const said = about => (about ? [" – ", ...prose(about)] : []);

/* One address */

const METHODS = ["get", "post", "put", "patch", "delete"];

function address(path, method, operation, shared) {
  const parameters = [...(shared ?? []), ...(operation.parameters ?? [])].map(resolve);
  const inside = el("div.inside");
  const box = el("details.address", el("summary", el(`span.method.${method}`, method.toUpperCase()), el("code", path),
    el("span.note", ...prose(operation.summary))), inside);
  box.id = `${method}${path}`;
  box.dataset.words = `${method} ${path} ${operation.summary ?? ""} ${operation.description ?? ""}`.toLowerCase();
  // Most of them are never opened.
  box.addEventListener("toggle", () => {
    if (box.open && !inside.childElementCount) inside.append(...details(path, method, operation, parameters));
  });
  return box;
}

function details(path, method, operation, parameters) {
  const body = operation.requestBody && resolve(operation.requestBody);
  const parts = [];
  if (operation.description && operation.description !== operation.summary) parts.push(el("p", ...prose(operation.description)));
  if (!operation.security?.length) parts.push(el("p.note", "No key is needed."));
  if (parameters.length) {
    const rows = parameters.map(one => el("li", el("code", one.name), " ", el("span.type", `${type(one.schema ?? {})}, in the ${one.in}`),
      one.required ? el("span.must", " required") : null, ...said(one.description)));
    parts.push(el("h3", "Parameters"), el("ul.schema", ...rows));
  }
  for (const [kind, { schema }] of Object.entries(body?.content ?? {})) {
    parts.push(el("h3", "Body ", el("span.note", `${kind}, ${type(schema)}`)), tree(schema, true) ?? "");
  }
  parts.push(el("h3", "Answers"), answers(operation), el("h3", "Try it"), form(path, method, parameters, body));
  return parts;
}

function answers(operation) {
  const list = el("dl.answers");
  const errors = [];
  for (const [status, answer] of Object.entries(operation.responses ?? {})) {
    const { description, content } = resolve(answer);
    const kinds = Object.entries(content ?? {});
    if (kinds.some(([, { schema }]) => nameOf(schema) === "ErrorBody")) {
      errors.push(status);
      continue;
    }
    list.append(el("dt", status, " ", el("span.note", [description, kinds.map(([kind]) => kind).join(", ")].filter(Boolean).join(" "))));
    const shown = kinds.map(([, { schema }]) => schema && tree(schema)).find(Boolean);
    if (shown) list.append(el("dd", shown));
  }
  if (errors.length) list.append(el("dt", errors.join(", "), " ", el("span.note", "an error: {\"detail\": …, \"code\": …}")));
  return list;
}

/* A request */

function form(path, method, parameters, body) {
  const inputs = parameters.filter(one => ["path", "query"].includes(one.in)).map(one => [one, el("input")]);
  const labels = inputs.map(([one, input]) => {
    input.required = !!one.required;
    if (one.example !== undefined) input.value = one.example;
    return el("label", one.name, input);
  });
  const [kind, content] = Object.entries(body?.content ?? {})[0] ?? [];
  const text = content && el("textarea.code");
  if (text) {
    text.value = JSON.stringify(content.example ?? example(content.schema), null, 2);
    text.rows = Math.min(16, text.value.split("\n").length + 1);
    text.spellcheck = false;
    text.setAttribute("aria-label", "body");
  }
  const [send, stop, result] = [el("button.main", "Send"), el("button", "Stop"), el("pre.result")];
  [send.type, stop.type, stop.hidden, result.hidden] = ["submit", "button", true, true];
  result.setAttribute("aria-live", "polite");
  const made = el("form.try", ...labels, text ?? "", el("div.bar", send, stop), result);
  made.addEventListener("submit", async event => {
    event.preventDefault();
    const filled = inputs.filter(([, input]) => input.value);
    const query = new URLSearchParams(filled.filter(([one]) => one.in === "query").map(([one, input]) => [one.name, input.value]));
    let to = path;
    for (const [one, input] of filled.filter(([one]) => one.in === "path")) {
      to = to.replace(new RegExp(`\\{\\*?${one.name}\\}`), () => encodeURIComponent(input.value));
    }
    const sentKey = key.get();
    const headers = { ...(kind && { "Content-Type": kind }), ...(sentKey && { Authorization: `Bearer ${sentKey}` }) };
    const stopping = new AbortController();
    stop.onclick = () => stopping.abort();
    [send.disabled, stop.hidden] = [true, false];
    const status = await sent(result, `${to}${query.size ? `?${query}` : ""}`, { method: method.toUpperCase(), headers, body: text?.value, signal: stopping.signal });
    if (status === 401) refused(sentKey);
    [send.disabled, stop.hidden] = [false, true];
  });
  return made;
}

/** Sends, and shows what comes back; its status, undefined for no answer. */
async function sent(result, to, options) {
  const started = performance.now();
  result.hidden = false;
  result.className = "result";
  result.textContent = "…";
  try {
    const answer = await fetch(to, { ...options, credentials: "omit", cache: "no-store" });
    result.className = `result ${answer.ok ? "good" : "bad"}`;
    const head = () => `${answer.status}, ${answer.headers.get("Content-Type") ?? "no type"}, ${milliseconds(Math.round(performance.now() - started))}\n\n`;
    let told = "";
    for (const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader(); ;) {
      const { done, value } = await reader.read();
      told += value ?? "";
      result.textContent = head() + told.slice(0, SHOWN_CHARS);
      if (told.length > SHOWN_CHARS) reader.cancel();
      if (done || told.length > SHOWN_CHARS) break;
    }
    result.textContent = head() + pretty(told).slice(0, SHOWN_CHARS);
    return answer.status;
  } catch (error) {
    result.className = "result bad";
    result.textContent += `\n${error.name === "AbortError" ? "stopped" : error.message}`;
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/* The page */

function draw() {
  byId("version").textContent = `${api.info.version}, OpenAPI ${api.openapi}`;
  byId("description").replaceChildren(...prose(api.info.description));
  const groups = new Map((api.tags ?? []).map(tag => [tag.name, [el("h2", tag.name), el("p.note", ...prose(tag.description))]]));
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter(method => item[method])) {
      const tag = item[method].tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, [el("h2", tag)]);
      groups.get(tag).push(address(path, method, item[method], item.parameters));
    }
  }
  byId("addresses").replaceChildren(...[...groups.values()].map(parts => el("section", ...parts)));
}

function filter() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of byId("addresses").children) {
    const boxes = [...section.querySelectorAll(".address")];
    for (const box of boxes) box.hidden = !words.every(word => box.dataset.words.includes(word));
    section.hidden = boxes.length > 0 && boxes.every(box => box.hidden);
  }
}

/** `/docs#post/v1/verify` opens that address. */
function open() {
  const box = byId(decodeURIComponent(location.hash.slice(1)));
  if (!box?.matches(".address")) return;
  box.open = true;
  box.scrollIntoView();
}

keyForm(() => {});
byId("filter").addEventListener("input", filter);
addEventListener("hashchange", open);
try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  api = await answer.json();
  draw();
  open();
} catch (error) {
  byId("addresses").replaceChildren(el("p.banner", `The description can't be read: ${error.message}`));
}
