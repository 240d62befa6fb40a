// What both pages use: requests with the key, elements, and numbers for people.

const STORED = "proofloop-key";

/** The API key of this tab; "" for none. It lies nowhere else. */
export const key = {
  get: () => sessionStorage.getItem(STORED) ?? "",
  set: text => (text ? sessionStorage.setItem(STORED, text) : sessionStorage.removeItem(STORED)),
};

/** An answer that is an error, in the server's words. */
export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** Says that a request with this key was refused, unless another key was given since: then that one is not to blame. */
export function refused(sentKey) {
  if (sentKey === key.get()) document.dispatchEvent(new CustomEvent("key-wanted", { detail: { hadOne: !!sentKey } }));
}

/** Asks the server. A key goes along where there is one. */
export async function ask(address, options = {}) {
  const headers = new Headers(options.headers);
  const sentKey = key.get();
  if (sentKey) headers.set("Authorization", `Bearer ${sentKey}`);
  const answer = await fetch(address, { ...options, headers, credentials: "omit", cache: "no-store" });
  if (answer.ok) return answer;
  const text = await answer.text();
  let detail = text.slice(0, 500) || answer.statusText;
  try {
    const body = JSON.parse(text);
    if (typeof body.detail === "string") detail = body.detail;
  } catch {
    // A proxy's page: its beginning has to do.
  }
  if (answer.status === 401) refused(sentKey);
  throw new Refused(answer.status, detail);
}

export const json = async (address, options) => (await ask(address, options)).json();

/** An element with classes (`"p.note"`) and children; texts become text, never HTML. */
export function el(name, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}

export const byId = id => document.getElementById(id);

/** Where the key is asked for. `again` is called when there is one. */
export function keyForm(again) {
  const form = byId("key-form");
  document.addEventListener("key-wanted", event => {
    if (event.detail.hadOne) byId("key-note").textContent = "The server does not know this key.";
    if (!form.hidden) return;
    form.hidden = false;
    byId("key").focus();
  });
  form.addEventListener("submit", event => {
    event.preventDefault();
    key.set(byId("key").value.trim());
    byId("key").value = "";
    form.hidden = true;
    again();
  });
}

export function bytes(count) {
  if (count === null || count === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let power = 0;
  while (count >= 1024 && power < units.length - 1) [count, power] = [count / 1024, power + 1];
  return `${power && count < 100 ? count.toFixed(1) : Math.round(count)} ${units[power]}`;
}

export function milliseconds(ms) {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

export function duration(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0 s";
  return units.slice(first, first + 2).map(([name, size], place) => {
    const count = Math.floor(place ? (seconds % units[first][1]) / size : seconds / size);
    return place && !count ? "" : `${count} ${name}`;
  }).join(" ").trim();
}

export const count = number => number.toLocaleString("en");
