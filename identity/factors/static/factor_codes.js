"use strict";
// Copying and printing, where the browser can; without this script the codes can be selected and downloaded.
const tools = document.querySelector(".factor-tools");
const said = tools.querySelector("[role=status]");
const codes = [...document.querySelectorAll("#codes code")].map((code) => code.textContent).join("\n");

const does = {
  async copy() {
    try {
      await navigator.clipboard.writeText(codes + "\n");
      said.textContent = said.dataset.copied;
    } catch {
      said.textContent = said.dataset.failed;
    }
  },
  print() {
    window.print();
  },
};

tools.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) does[button.dataset.does]();
});
tools.hidden = false;
