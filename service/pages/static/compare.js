// A model is found by a few words of its name while one types. Without this module the field takes
// an id, and a browser's own list offers those of a catalog that is not too large for one.

const MOST = 10;
const form = document.querySelector("form.asked");
const field = document.getElementById("add");
const list = document.createElement("ul");
const told = document.createElement("p");

list.id = "suggestions";
list.className = "suggestions";
list.hidden = true;
list.setAttribute("role", "listbox");
list.setAttribute("aria-label", "Models that fit");
told.className = "unseen";
told.setAttribute("role", "status");
field.removeAttribute("list");
field.after(list, told);
for (const [name, value] of [
  ["role", "combobox"],
  ["aria-autocomplete", "list"],
  ["aria-controls", list.id],
  ["aria-expanded", "false"],
]) {
  field.setAttribute(name, value);
}
if (!field.disabled) field.placeholder = "a name or an id";

// ── what is offered ────────────────────────────────────────────────────────────────────────

let typing = 0;
let under_way = new AbortController();

async function offer(words) {
  under_way.abort();
  under_way = new AbortController();
  if (!words) return close();
  const query = new URLSearchParams({ q: words, fields: "id,name", limit: MOST });
  try {
    const answer = await fetch(new URL(`catalog/models?${query}`, document.baseURI), {
      signal: under_way.signal,
    });
    if (!answer.ok) throw new Error(`${answer.status}`);
    show((await answer.json()).data);
  } catch (error) {
    if (error.name !== "AbortError") close(); // an id can be typed all the same
  }
}

function show(models) {
  list.replaceChildren(...models.map(option));
  list.hidden = models.length === 0;
  field.setAttribute("aria-expanded", String(!list.hidden));
  point(null);
  told.textContent =
    models.length === 0
      ? "No model fits."
      : `${models.length === MOST ? `The best ${MOST}` : models.length} to choose from.`;
}

function option({ id, name }, place) {
  const made = document.createElement("li");
  made.id = `suggestion-${place}`;
  made.dataset.id = id;
  made.setAttribute("role", "option");
  made.setAttribute("aria-selected", "false");
  const [title, code] = [document.createElement("bdi"), document.createElement("code")];
  title.textContent = name;
  code.textContent = id;
  code.dir = "auto";
  made.append(title, " ", code);
  return made;
}

function close() {
  clearTimeout(typing);
  under_way.abort();
  list.hidden = true;
  list.replaceChildren();
  field.setAttribute("aria-expanded", "false");
  point(null);
  told.textContent = "";
}

// ── what is chosen ─────────────────────────────────────────────────────────────────────────

let pointed = null;

function point(one) {
  pointed?.setAttribute("aria-selected", "false");
  pointed = one;
  if (one) {
    one.setAttribute("aria-selected", "true");
    one.scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", one.id);
  } else {
    field.removeAttribute("aria-activedescendant");
  }
}

function choose(one) {
  field.value = one.dataset.id;
  close();
  form.requestSubmit();
}

field.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => offer(field.value.trim()), 120);
});

field.addEventListener("keydown", (event) => {
  if (event.isComposing || list.hidden) return;
  const all = [...list.children];
  const at = all.indexOf(pointed);
  if (event.key === "ArrowDown") point(all[at + 1] ?? null);
  else if (event.key === "ArrowUp") point(at < 0 ? all.at(-1) : (all[at - 1] ?? null));
  else if (event.key === "Enter" && pointed) choose(pointed);
  else if (event.key === "Escape") close();
  else return;
  event.preventDefault();
});

field.addEventListener("blur", close);
list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
list.addEventListener("click", (event) => {
  const one = event.target.closest("[role=option]");
  if (one) choose(one);
});

// What is left empty is not asked.
form.addEventListener("formdata", ({ formData }) => {
  for (const name of new Set(formData.keys())) {
    const texts = formData.getAll(name).filter((text) => text.trim());
    formData.delete(name);
    for (const text of texts) formData.append(name, text);
  }
});
