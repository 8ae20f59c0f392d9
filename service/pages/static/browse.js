// The page of all models, without loading it anew: what is chosen becomes an address, the page of
// that address is fetched, and the parts of it that differ are put in place of ours. It begins while
// the models are still coming, so what stands from there on is looked up when it is needed.
"use strict"; // as in a module, which it is not: those wait for the whole page

const PARTS = ["faults", "chosen", "facets", "links", "results"];
const MOST = 6;
const form = document.getElementById("ask");
const search = document.getElementById("q");
const count = document.getElementById("count");
const results = () => document.getElementById("results");
const here = new URL(form.action).pathname;

// ── addresses ──────────────────────────────────────────────────────────────────────────────

function addressOf(...forms) {
  const asked = new Map();
  for (const one of forms) {
    for (const [name, value] of new FormData(one)) {
      if (value.trim()) asked.set(name, [...(asked.get(name) ?? []), value.trim()]);
    }
  }
  const told = [...asked].map(([name, values]) => `${name}=${written(values.join(","))}`);
  return here + (told.length ? `?${told.join("&")}` : "");
}

function written(text) {
  return encodeURIComponent(text)
    .replace(/%20/g, "+")
    .replace(/%(2C|2F|3A|40)/g, (escape) => decodeURIComponent(escape));
}

// ── fetching and swapping ──────────────────────────────────────────────────────────────────

let under_way = new AbortController();
let typing = 0;
let shown = location.pathname + location.search;

async function show(address, { keep = "push", isForced = false } = {}) {
  clearTimeout(typing);
  under_way.abort();
  under_way = new AbortController();
  if (keep === "push" && address !== location.pathname + location.search) {
    history.pushState(null, "", address);
  } else if (keep === "replace") {
    history.replaceState(null, "", address);
  }
  results().setAttribute("aria-busy", "true");
  shown = address;
  try {
    const answer = await fetch(address, {
      signal: under_way.signal,
      cache: isForced ? "no-cache" : "default",
      headers: { Accept: "text/html" },
    });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!page.getElementById("results")) {
      location.assign(address); // whatever that is, it is not this page
      return false;
    }
    swap(page);
  } catch (error) {
    if (error.name === "AbortError") return false;
    tellFault();
    return false;
  }
  results().removeAttribute("aria-busy");
  if (keep) results().scrollTop = 0;
  return true;
}

// Nobody answers: what is there stays, so that nothing is lost.
function tellFault() {
  results().removeAttribute("aria-busy");
  const told = document.createElement("p");
  told.className = "fault";
  told.textContent = "The service cannot be reached: this is what it said before.";
  document.getElementById("faults").replaceChildren(told);
}

function swap(page) {
  const focused = placeOf(document.activeElement);
  const open = new Set([...document.querySelectorAll("details[open][id]")].map((one) => one.id));
  const scrolled = document.getElementById("filters").scrollTop;
  const boxes = [...document.querySelectorAll(".options")].map((box) => box.scrollTop);
  for (const id of PARTS) {
    const [ours, theirs] = [document.getElementById(id), page.getElementById(id)];
    if (ours.innerHTML !== theirs.innerHTML) ours.replaceChildren(...theirs.childNodes);
  }
  for (const one of document.querySelectorAll("details[id]")) {
    if (open.has(one.id)) one.open = true;
  }
  document.querySelectorAll(".options").forEach((box, place) => (box.scrollTop = boxes[place] ?? 0));
  document.getElementById("filters").scrollTop = scrolled;
  const told = page.getElementById("count").textContent;
  if (count.textContent !== told) count.textContent = told;
  document.title = page.title;
  document.documentElement.dataset.revision = page.documentElement.dataset.revision ?? "";
  document.getElementById("sort").value = page.getElementById("sort").value;
  if (document.activeElement !== search) search.value = page.getElementById("q").value;
  restore(focused);
  showChosen();
}

// Where the focus was, so that it is there again when what had it was replaced.
function placeOf(element) {
  if (!element || element === document.body || element === search) return null;
  const { name, value, type, selectionStart } = element;
  const is_box = type === "checkbox" || type === "radio";
  return {
    element,
    path: element.id
      ? `#${CSS.escape(element.id)}`
      : name
        ? `[name="${CSS.escape(name)}"]${is_box ? `[value="${CSS.escape(value)}"]` : ""}`
        : element.href
          ? `a[href="${CSS.escape(element.getAttribute("href"))}"]`
          : null,
    text: type === "text" ? value : null,
    at: type === "text" ? selectionStart : null,
    column: element.closest("thead th")?.className,
  };
}

function restore(focused) {
  if (!focused || focused.element.isConnected) return;
  const again = focused.column
    ? document.querySelector(`thead th[class="${CSS.escape(focused.column)}"] a`)
    : focused.path && document.querySelector(`main ${focused.path}`);
  if (!again?.checkVisibility()) {
    document.getElementById("main").focus({ preventScroll: true });
    return;
  }
  again.focus({ preventScroll: true });
  if (focused.text !== null && again.type === "text") {
    again.value = focused.text;
    again.setSelectionRange(focused.at, focused.at);
  }
}

// ── search as you type, filters, orders, columns ───────────────────────────────────────────

let is_typing = false; // one step back leads before the whole word, not before its last letter

search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    show(addressOf(form), { keep: is_typing ? "replace" : "push" });
    is_typing = true;
  }, 140);
});
search.addEventListener("blur", () => (is_typing = false));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  is_typing = false;
  show(addressOf(form));
});

form.addEventListener("change", (event) => {
  if (event.target === search) return;
  is_typing = false;
  show(addressOf(form));
});

document.addEventListener("change", (event) => {
  const columns = event.target.closest("form.columns");
  if (!columns) return;
  const chosen = new Set(new FormData(columns).getAll("columns"));
  const usual = columns.dataset.usual.split(",");
  const is_usual = chosen.size === usual.length && usual.every((path) => chosen.has(path));
  const address = addressOf(columns);
  show(is_usual ? address.replace(/([?&])columns=[^&]*&?/, "$1").replace(/[?&]$/, "") : address);
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form.columns")) return;
  event.preventDefault();
  show(addressOf(event.target));
});

// A menu stands over what is looked at: a click on that is a word, too.
document.addEventListener("pointerdown", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = event.target.closest("main a");
  if (!link || link.pathname !== here || link.origin !== location.origin || link.hash) return;
  event.preventDefault();
  is_typing = false;
  if (link.closest("#chosen")) search.value = new URL(link.href).searchParams.get("q") ?? "";
  show(link.pathname + link.search).then((is_shown) => {
    if (is_shown && link.rel === "next") {
      results().scrollIntoView({ block: "nearest" });
      document.querySelector("#models tbody th a")?.focus({ preventScroll: true });
    }
  });
});

addEventListener("popstate", () => {
  is_typing = false;
  if (location.pathname !== here || location.pathname + location.search === shown) return;
  search.value = new URLSearchParams(location.search).get("q") ?? "";
  show(location.pathname + location.search, { keep: "" });
});

// Another module may ask for what is now: it has heard of changes.
document.addEventListener("catalog:update", (event) => {
  event.preventDefault();
  show(location.pathname + location.search, { keep: "", isForced: true });
});

// ── keyboard ───────────────────────────────────────────────────────────────────────────────

const links = () => [...document.querySelectorAll("#models tbody th > a")];

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const at = document.activeElement;
  const is_writing = at.matches("input:not([type=checkbox], [type=radio]), select, textarea");
  if (event.key === "/" && !is_writing) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "Escape") {
    escape(event, at);
  } else if (["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) {
    move(event, at);
  }
});

function escape(event, at) {
  const menu = at.closest("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (at === search) {
    event.preventDefault();
    if (!search.value) return;
    search.value = "";
    is_typing = false;
    show(addressOf(form));
  } else if (at.closest("#models")) {
    search.focus();
  }
}

function move(event, at) {
  const row = at.closest("#models tbody tr");
  if (!row && !(at === search && event.key === "ArrowDown") && at !== document.body) return;
  const all = links();
  const now = row ? all.indexOf(row.querySelector("th > a")) : -1;
  const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: all.length - 1 }[event.key];
  if (!row && event.key !== "ArrowDown") return;
  event.preventDefault();
  if (to < 0) search.focus();
  else all[Math.min(to, all.length - 1)]?.focus();
}

// ── what is to be compared, kept while one searches on ─────────────────────────────────────

const KEPT = "compare";
const chosen = new Map();

// Asking a browser for what it keeps takes it longer than all else here: not before one can type.
function recall() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    for (const [name, title] of kept) chosen.set(name, title);
  } catch {
    // nothing is kept where a browser keeps nothing
  }
  showChosen();
}

function keep() {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify([...chosen]));
  } catch {
    // as above
  }
}

function showChosen() {
  const compare = document.getElementById("compare");
  if (!compare) return; // it is still to come, and then the page is shown
  for (const box of document.querySelectorAll("#models .pick input")) {
    box.checked = chosen.has(box.value);
    box.disabled = !box.checked && chosen.size >= MOST;
  }
  const names = [...chosen.values()];
  const told = document.getElementById("chosen-models");
  compare.classList.toggle("has-some", chosen.size > 0);
  compare.querySelector("button").disabled = chosen.size < 2;
  told.textContent =
    chosen.size === 0
      ? "Tick two to six models to compare them."
      : `${names.join(", ")}${chosen.size === 1 ? ": tick another one." : chosen.size >= MOST ? " (no more than six)" : ""}`;
  compare.querySelector("[type=reset]")?.remove();
  if (chosen.size) {
    const none = document.createElement("button");
    none.type = "reset";
    none.textContent = "None";
    compare.append(none);
  }
}

document.addEventListener("change", (event) => {
  const box = event.target;
  if (!box.matches("#models .pick input")) return;
  const name = box.closest("tr").querySelector("th > a").textContent;
  if (box.checked) chosen.set(box.value, name);
  else chosen.delete(box.value);
  keep();
  showChosen();
});

document.addEventListener("reset", (event) => {
  if (event.target.id !== "compare") return;
  event.preventDefault();
  chosen.clear();
  keep();
  showChosen();
});

document.addEventListener("submit", (event) => {
  if (event.target.id !== "compare") return;
  event.preventDefault();
  if (chosen.size < 2) return;
  location.assign(`${event.target.action}?ids=${written([...chosen.keys()].join(","))}`);
});

// ── the start ──────────────────────────────────────────────────────────────────────────────

const filters = document.getElementById("filters");
const wide = matchMedia("(width >= 64rem)");
const unfold = () => (filters.open = wide.matches || filters.open);
wide.addEventListener("change", unfold);
unfold();
addEventListener("pageshow", recall);
performance.mark("ready"); // for whoever measures how soon that is
