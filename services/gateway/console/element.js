// Elements of the page, and drawings, made in one expression.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element: `element("button.plain", { type: "button", onclick }, "Cancel")`.
 *
 * Attributes that are false, null or undefined are left out; those named `on…` are listeners.
 * Children that are none of the page's nodes are text.
 */
export function element(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  return furnished(document.createElement(tag), classes, attributes, children);
}

/** The same for a drawing. */
export function drawing(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  return furnished(document.createElementNS(SVG, tag), classes, attributes, children);
}

function furnished(node, classes, attributes, children) {
  if (classes.length > 0) node.setAttribute("class", classes.join(" "));
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(
    ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
  );
  return node;
}

/** A panel with a heading, and what belongs beside the heading. */
export function panel(title, { id = "", aside = [], level = "h2" } = {}, ...children) {
  const heading = element(level, { id: id ? `${id}-title` : false }, title);
  return element(
    "section.panel",
    { "aria-labelledby": id ? `${id}-title` : false, "aria-label": id ? false : title },
    element("header.panel-head", {}, heading, element("div.panel-aside", {}, aside)),
    ...children,
  );
}

/**
 * Calls `draw` before the page is next drawn, however often it is asked for until then.
 *
 * @param every milliseconds between two drawings at least
 */
export function perFrame(draw, every = 0) {
  let asked = false;
  let drawn = -Infinity;
  const next = () =>
    requestAnimationFrame((now) => {
      asked = false;
      drawn = now;
      draw();
    });
  return () => {
    if (asked) return;
    asked = true;
    const rest = drawn + every - performance.now();
    if (rest > 0) setTimeout(next, rest);
    else next();
  };
}
