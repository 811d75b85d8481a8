// Light or dark: as the system has it, unless somebody chooses.

const KEPT = "outcry.theme";

/** What the switch goes through, and how it shows and says where it is. */
const THEMES = [
  ["", "◐", "as the system has them"],
  ["light", "○", "light"],
  ["dark", "●", "dark"],
];

/** Makes a button the switch. */
export function chooseTheme(button) {
  let at = Math.max(
    THEMES.findIndex(([name]) => name === (localStorage.getItem(KEPT) ?? "")),
    0,
  );
  const apply = () => {
    const [name, sign, words] = THEMES[at];
    if (name) document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
    button.textContent = sign;
    button.title = `Colours: ${words}`;
    button.setAttribute("aria-label", `Colours: ${words}. Change`);
  };
  button.addEventListener("click", () => {
    at = (at + 1) % THEMES.length;
    localStorage.setItem(KEPT, THEMES[at][0]);
    apply();
  });
  apply();
}
