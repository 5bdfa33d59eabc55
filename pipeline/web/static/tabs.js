// The page's views, one at a time, chosen as the ARIA practices have it for tabs: arrows move,
// Home and End jump. The one that is shown is in the URL, and follows it.

/** @param {(view: string) => void} shown */
export function startTabs(shown) {
  const tabs = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[role=tab]")]);
  /** @param {HTMLElement} chosen */
  const choose = (chosen) => {
    for (const tab of tabs) {
      const isChosen = tab === chosen;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      const panel = document.getElementById(tab.getAttribute("aria-controls") ?? "");
      panel?.toggleAttribute("hidden", !isChosen);
    }
    history.replaceState(null, "", `#/${chosen.dataset.view}`);
    shown(chosen.dataset.view ?? "");
  };
  tabs.forEach((tab, at) => {
    tab.onclick = () => choose(tab);
    tab.onkeydown = ({ key }) => {
      const goal = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1 }[key];
      if (goal === undefined) return;
      const next = /** @type {HTMLElement} */ (tabs.at(goal % tabs.length));
      next.focus();
      choose(next);
    };
  });
  const named = () => tabs.find((tab) => `#/${tab.dataset.view}` === location.hash);
  addEventListener("hashchange", () => {
    const tab = named();
    if (tab) choose(tab);
  });
  choose(named() ?? tabs[0]);
}
