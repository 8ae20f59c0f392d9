// Buttons that copy what they stand beside. Without this module they are not shown.

const SHOWN_MS = 1600;
const said = document.getElementById("copied");
const waiting = new WeakMap();

function textOf(button) {
  if (button.dataset.copy !== undefined) return button.dataset.copy;
  const id = button.closest("tr").querySelector("code.id").textContent;
  return button.value ? `${button.value}/${id}` : id; // a ref is its source and its id
}

async function copy(button) {
  const text = textOf(button);
  try {
    await navigator.clipboard.writeText(text);
    tell(button, "Copied", "Copied");
  } catch {
    if (copyBySelection(text)) {
      tell(button, "Copied", "Copied");
    } else {
      const is_selected = selectBeside(button, text);
      tell(
        button,
        "Not copied",
        `Not copied: the browser refuses it. ${is_selected ? "The text is selected" : "Select the text"}, to be copied by hand.`,
      );
    }
  }
}

// Without https, and not on this machine, there is no clipboard; a selection can be copied still.
function copyBySelection(text) {
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.readOnly = true;
  field.className = "unseen";
  document.body.append(field);
  field.select();
  const is_done = document.execCommand("copy");
  field.remove();
  focused?.focus({ preventScroll: true });
  return is_done;
}

function selectBeside(button, text) {
  const beside = button.closest("tr, .name-row, .called, .example")?.querySelector("code");
  if (beside?.textContent !== text) return false;
  getSelection().selectAllChildren(beside);
  return true;
}

function tell(button, word, sentence) {
  const label = button.firstChild;
  const before = waiting.get(button);
  clearTimeout(before?.timer);
  const usual = before?.usual ?? label.data;
  label.data = word;
  button.dataset.done = word === "Copied" ? "yes" : "no";
  said.textContent = sentence;
  const timer = setTimeout(() => {
    label.data = usual;
    delete button.dataset.done;
    waiting.delete(button);
    said.textContent = "";
  }, SHOWN_MS);
  waiting.set(button, { timer, usual });
}

for (const button of document.querySelectorAll("button.copy")) button.hidden = false;
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button.copy");
  if (button) copy(button);
});
