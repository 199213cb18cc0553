// The browser's side of cemp.inspect.widget: shows what the kernel sends, sends back what is asked.
const KEYS = { a: "accept", r: "reject", u: "unsure", z: "undo", ArrowLeft: "back", ArrowRight: "forward" };
const BUTTONS = [
  ["back", "◀ (←)", "previous page"], ["accept", "Accept (a)", "a candidate worth a telescope"],
  ["reject", "Reject (r)", "not CEMP, or not a usable spectrum"], ["unsure", "Unsure (u)", "cannot be told from this"],
  ["forward", "▶ (→)", "next page"], ["undo", "Undo (z)", "take back the latest decision"],
];

function make(tag, parent, attributes = {}) {
  const node = Object.assign(document.createElement(tag), attributes);
  parent.append(node);
  return node;
}

function render({ model, el }) {
  el.classList.add("cemp-inspect");
  el.tabIndex = 0; // so that it can have the focus, and with it the keys
  el.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves our keys alone

  const bar = make("div", el, { className: "cemp-bar" });
  const send = (command) => model.send({ command, obsid: model.get("obsid"), note: note.value });
  const buttons = {};
  for (const [command, text, title] of BUTTONS) {
    buttons[command] = make("button", bar, { textContent: text, title, className: `cemp-${command}` });
    buttons[command].onclick = () => { send(command); el.focus({ preventScroll: true }); };
  }
  const note = make("input", bar, { type: "text", placeholder: "note (n), Enter to keep it", className: "cemp-note" });
  note.setAttribute("aria-label", "note");
  const status = make("div", el, { className: "cemp-status" });
  const done = make("progress", status);
  const count = make("span", status, { className: "cemp-count" });
  const verdict = make("strong", status, { className: "cemp-verdict" });
  const message = make("span", status, { className: "cemp-message" });
  message.setAttribute("role", "status");
  make("span", status, { className: "cemp-hint", textContent: "click on the page, then use the keys" });
  const image = make("img", el);

  let url = "";
  function update() {
    if (note.dataset.obsid !== model.get("obsid") || document.activeElement !== note) note.value = model.get("note");
    note.dataset.obsid = el.dataset.obsid = model.get("obsid");
    const bytes = model.get("picture");
    if (bytes !== image.bytes) {
      image.bytes = bytes;
      URL.revokeObjectURL(url);
      image.src = url = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    }
    image.alt = model.get("title");
    const p = model.get("progress");
    done.max = p.total;
    done.value = p.decided;
    count.textContent = `${model.get("title")} · ${p.decided} of ${p.total} decided: ` +
      `${p.accept} accepted, ${p.reject} rejected, ${p.unsure} unsure`;
    verdict.textContent = model.get("decision") ? `decided: ${model.get("decision")}` : "not decided";
    for (const command of ["accept", "reject", "unsure"])
      buttons[command].setAttribute("aria-pressed", String(model.get("decision") === command));
    message.textContent = model.get("message");
  }

  function pressed(event) {
    const plain = !(event.ctrlKey || event.metaKey || event.altKey);
    if (!plain) { // no page of the browser's is to be saved: decisions are in the file already
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") event.preventDefault();
      return;
    }
    if (event.target === note) {
      if (event.key === "Escape") note.value = model.get("note");
      if (event.key === "Enter") send("note");
      if (event.key === "Escape" || event.key === "Enter") { el.focus({ preventScroll: true }); event.preventDefault(); }
      return;
    }
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === "n") note.focus();
    else if (KEYS[key] && !(event.repeat && key.length === 1)) send(KEYS[key]); // a key held down decides once
    else return;
    event.preventDefault();
  }

  el.addEventListener("keydown", pressed);
  model.on("change:serial", update);
  update();
  return () => { model.off("change:serial", update); URL.revokeObjectURL(url); };
}

export default { render };
