// Keeps the page current: fetches it again and puts in what changed. Without scripts the page reloads itself.
(() => {
  "use strict";
  const every = 5000;
  const button = document.querySelector("button.live");
  if (!button) return;
  const text = button.querySelector(".live-text");
  let on = true;

  const show = (words) => { text.textContent = words; };

  const inUse = (region) => {
    const selection = getSelection();
    const selected = selection && !selection.isCollapsed && region.contains(selection.anchorNode);
    return selected || (region.contains(document.activeElement) && document.activeElement !== region);
  };

  const put = (region, fresh) => {
    if (region.innerHTML === fresh.innerHTML || inUse(region)) return;
    const open = new Set([...region.querySelectorAll("details[open][id]")].map((each) => each.id));
    region.replaceChildren(...[...fresh.childNodes].map((each) => document.importNode(each, true)));
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  };

  const refresh = async () => {
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(10000) });
      if (answer.status >= 500) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!on) return;
      document.title = page.title;
      for (const region of document.querySelectorAll("[data-live-region]")) {
        const fresh = page.querySelector(`[data-live-region="${region.dataset.liveRegion}"]`);
        if (!fresh) return location.reload();
        put(region, fresh);
      }
      button.classList.remove("away");
      show("Live");
    } catch {
      button.classList.add("away");
      show("No connection, trying again");
    }
  };

  button.hidden = false;
  button.addEventListener("click", () => {
    on = !on;
    button.setAttribute("aria-pressed", String(on));
    show(on ? "Live" : "Paused");
    if (on) refresh();
  });
  setInterval(() => { if (on && !document.hidden) refresh(); }, every);
})();
