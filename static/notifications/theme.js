const YEAR_S = 31_536_000;
const light = matchMedia("(prefers-color-scheme: light)");
const { dataset } = document.documentElement;

/** The theme: the server renders it from the cookie, so that nothing flashes; `system` keeps what it last meant. */
export function startThemeSwitch() {
  const follow = () => dataset.themeChoice === "system" && choose("system");
  document.addEventListener("change", ({ target }) => target.name === "theme" && choose(target.value));
  light.addEventListener("change", follow);
  follow();
}

function choose(choice) {
  const system = light.matches ? "light" : "dark";
  dataset.themeChoice = choice;
  dataset.bsTheme = choice === "system" ? system : choice;
  const value = choice === "system" ? `system-${system}` : choice;
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API exists on https only
  document.cookie = `theme=${value}; path=/; max-age=${YEAR_S}; samesite=lax`;
}
