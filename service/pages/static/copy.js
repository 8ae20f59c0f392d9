// Buttons that copy what they stand beside. Without this module they are not shown.

const said = document.getElementById("copied");

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    tell(button, "Copied");
  } catch {
    tell(button, "Not copied");
  }
}

function tell(button, word) {
  const label = button.firstChild;
  label.data = word;
  if (said) said.textContent = word;
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = String(
    setTimeout(() => {
      label.data = "Copy";
      if (said) said.textContent = "";
    }, 1600),
  );
}

// Only a page of this machine or one that came encrypted may use the clipboard.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button.copy")) button.hidden = false;
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button.copy");
    if (button) copy(button);
  });
}
