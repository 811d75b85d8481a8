// Tables that change while one looks at them, row by row.

import { element } from "./element.js";

/** A table whose rows are known by a key: what stays is left alone, focus and all. */
export class Table {
  #columns;
  #key;
  #options;
  #rows = new Map();
  #body = element("tbody");
  #empty;

  /**
   * @param options `caption`; `columns`, each with a `title`, `cell(row)` and where it is wanted a
   *   `kind` (class of its cells) and `mark(row)` (a cell that is a node is made again when it changes);
   *   `key(row)`; `empty` (text without rows); `tone(row)` (class of the row); `picked(row)`
   */
  constructor(options) {
    this.#options = options;
    this.#columns = options.columns;
    this.#key = options.key;
    this.#empty = element("p.empty", { hidden: true }, options.empty ?? "Nothing here.");
    const head = options.columns.map(({ title, kind, spoken }) =>
      element(
        "th",
        { scope: "col", class: kind ?? false },
        spoken ? element("span.unseen", {}, spoken) : title,
      ),
    );
    this.node = element(
      "div.scroll",
      { tabindex: "0", role: "region", "aria-label": options.caption },
      element(
        "table",
        {},
        element("caption.unseen", {}, options.caption),
        element("thead", {}, element("tr", {}, head)),
        this.#body,
      ),
      this.#empty,
    );
  }

  /** Shows these rows in this order. */
  show(rows) {
    const kept = new Set();
    let at = this.#body.firstChild;
    for (const row of rows) {
      const key = this.#key(row);
      kept.add(key);
      let shown = this.#rows.get(key);
      if (!shown) {
        shown = this.#made(row);
        this.#rows.set(key, shown);
      } else if (shown.row !== row) {
        this.#change(shown, row);
      }
      if (shown.node === at) at = at.nextSibling;
      else this.#body.insertBefore(shown.node, at);
    }
    if (kept.size < this.#rows.size) {
      for (const [key, { node }] of this.#rows) {
        if (kept.has(key)) continue;
        node.remove();
        this.#rows.delete(key);
      }
    }
    this.#empty.hidden = kept.size > 0;
  }

  /** Marks one row as the one that is looked at. */
  choose(chosen) {
    for (const [key, { node }] of this.#rows) node.classList.toggle("chosen", key === chosen);
  }

  #made(row) {
    const { picked } = this.#options;
    const cells = this.#columns.map(({ kind }) => element("td", { class: kind ?? false }));
    const node = element("tr", {}, cells);
    const shown = { node, cells, row: undefined, marks: [] };
    if (picked) {
      node.classList.add("pickable");
      node.addEventListener("click", (event) => {
        if (!event.target.closest("a, button, input")) picked(shown.row);
      });
    }
    this.#change(shown, row);
    return shown;
  }

  #change(shown, row) {
    this.#columns.forEach(({ cell, mark }, index) => {
      const known = shown.marks[index];
      if (mark) {
        const now = mark(row);
        if (known === now && shown.row) return;
        shown.marks[index] = now;
        shown.cells[index].replaceChildren(cell(row) ?? "");
        return;
      }
      const content = cell(row) ?? "";
      if (content instanceof Node) shown.cells[index].replaceChildren(content);
      else if (content !== known) shown.cells[index].textContent = content;
      shown.marks[index] = content;
    });
    const tone = this.#options.tone?.(row) ?? "";
    if (tone !== shown.tone) {
      if (shown.tone) shown.node.classList.remove(shown.tone);
      if (tone) shown.node.classList.add(tone);
      shown.tone = tone;
    }
    shown.row = row;
  }
}
