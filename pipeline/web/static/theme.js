// Light or dark: as the system has it, until somebody says otherwise.

import { element } from "./dom.js";
import { lasting } from "./storage.js";

const THEMES = ["auto", "light", "dark"];
const ITEM = "theme";

export function startTheme() {
  const button = element("theme");
  /** @param {string} theme */
  const use = (theme) => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    lasting.set(ITEM, theme);
    button.textContent = `Theme: ${theme}`;
  };
  const next = () => THEMES[(THEMES.indexOf(lasting.get(ITEM) ?? "auto") + 1) % 3];
  use(lasting.get(ITEM) ?? "auto");
  button.onclick = () => use(next());
}
