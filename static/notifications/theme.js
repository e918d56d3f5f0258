const YEAR_S = 31_536_000;
const LIGHT_SYSTEM = matchMedia("(prefers-color-scheme: light)");

/** The theme: the server renders it from the cookie, so that nothing flashes; `system` keeps what it last meant. */
export function startThemeSwitch(root = document) {
  const html = document.documentElement;
  const choose = (choice) => {
    const theme = choice === "system" ? (LIGHT_SYSTEM.matches ? "light" : "dark") : choice;
    html.dataset.bsTheme = theme;
    html.dataset.themeChoice = choice;
    const value = choice === "system" ? `system-${theme}` : choice;
    // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API exists on https only
    document.cookie = `theme=${value}; path=/; max-age=${YEAR_S}; samesite=lax`;
  };
  const now = html.dataset.themeChoice;
  for (const input of root.querySelectorAll("[data-theme-switch] input")) {
    input.checked = input.value === now;
    input.addEventListener("change", () => choose(input.value));
  }
  LIGHT_SYSTEM.addEventListener("change", () => html.dataset.themeChoice === "system" && choose("system"));
  if (now === "system") choose("system");
}
