// A table that is renewed under the reader's eyes: order, filter, how far it is unfolded, selection
// and focus stay, because a row and a cell that did not change is not touched.
//
// A column is {title, value(row)?, show(value, row)?, number?, id?, optional?}: `value` is what is
// sorted by, and searched by if it is no number, `show` what is displayed (text or an element); an
// optional column is hidden while no row has a value. `key(row)` tells rows apart.

import { h, setText, signOf } from "./dom.js";

const PAGE = 50; // rows shown at first
const FILTER_FROM = 6; // rows from which on it is worth while to search
const SHORT = 24; // letters that are better not broken
const COLLATOR = new Intl.Collator("en", { numeric: true });

export class Table {
  constructor(title, columns, { empty, key, order = { column: 0, down: false }, limit = PAGE }) {
    this.columns = columns;
    this.empty = empty;
    this.key = key;
    this.order = order;
    this.limit = limit;
    this.rows = [];
    this.lines = new Map();
    this.hidden = columns.map(() => false);
    this.count = h("span", { class: "count" });
    this.filter = h("input", {
      type: "search", placeholder: "Find …", "aria-label": `Find in ${title}`,
      input: () => this.draw(),
    });
    this.heads = columns.map((column, index) =>
      h("th", { class: column.number ? "number" : null, scope: "col", role: "columnheader" },
        column.value ? h("button", { type: "button", click: () => this.sortBy(index) },
          column.title) : column.title));
    this.body = h("tbody", { role: "rowgroup" });
    this.note = h("p", { class: "empty" });
    this.more = h("button", { type: "button", class: "more", click: () => this.unfold() });
    // Roles are spelt out because the layout for small screens takes the implied ones away.
    this.scroll = h("div", { class: "scroll" },
      h("table", { class: "records", role: "table", "aria-label": title },
        h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, this.heads)), this.body));
    this.element = h("section", { class: "card" },
      h("div", { class: "table-head" }, h("h2", {}, `${title} `, this.count), this.filter),
      this.scroll, this.note, this.more);
  }

  update(rows) {
    this.rows = rows;
    this.hidden = this.columns.map(
      (column) => Boolean(column.optional) && !rows.some((row) => column.value(row)));
    this.draw();
  }

  sortBy(index) {
    const again = this.order.column === index;
    const down = again ? !this.order.down : Boolean(this.columns[index].number);
    this.order = { column: index, down };
    this.draw();
  }

  unfold() {
    this.limit *= 4;
    this.draw();
  }

  draw() {
    const found = this.matching();
    const shown = found.slice(0, this.limit);
    setText(this.count, String(this.rows.length));
    this.filter.hidden = this.rows.length < FILTER_FROM && this.filter.value === "";
    this.scroll.hidden = shown.length === 0;
    this.note.hidden = shown.length > 0;
    setText(this.note, this.rows.length === 0 ? this.empty : "Nothing matches.");
    this.more.hidden = found.length <= shown.length;
    setText(this.more, `Show more (${found.length - shown.length})`);
    this.drawHeads();
    this.drawRows(shown);
  }

  drawHeads() {
    this.heads.forEach((head, index) => {
      const sorted = this.order.column === index;
      const arrow = this.order.down ? " ↓" : " ↑";
      head.hidden = this.hidden[index];
      if (sorted) head.setAttribute("aria-sort", this.order.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
      if (head.firstElementChild) {
        setText(head.firstElementChild, this.columns[index].title + (sorted ? arrow : ""));
      }
    });
  }

  drawRows(rows) {
    const wanted = new Map();
    for (const row of rows) {
      let key = this.key(row);
      while (wanted.has(key)) key += "'"; // an id that was used again
      wanted.set(key, row);
    }
    for (const [key, line] of this.lines) {
      if (!wanted.has(key)) {
        line.element.remove();
        this.lines.delete(key);
      }
    }
    let next = this.body.firstElementChild;
    for (const [key, row] of wanted) {
      let line = this.lines.get(key);
      if (line === undefined) {
        line = new Line(this.columns);
        this.lines.set(key, line);
      }
      line.update(row, this.hidden);
      if (line.element === next) next = next.nextElementSibling;
      else this.body.insertBefore(line.element, next);
    }
  }

  matching() {
    const wanted = this.filter.value.trim().toLowerCase();
    const { value } = this.columns[this.order.column];
    const sign = this.order.down ? -1 : 1;
    return this.rows
      .filter((row) => wanted === "" || this.columns.some(
        (column) => !column.number
          && String(column.value?.(row) ?? "").toLowerCase().includes(wanted)))
      .map((row) => [value(row), row])
      .sort(([left], [right]) => sign * compare(left, right))
      .map(([, row]) => row);
  }
}

// One row on the page.
class Line {
  constructor(columns) {
    this.columns = columns;
    this.signs = columns.map(() => null);
    this.cells = columns.map((column) => h("td", {
      role: "cell", "data-label": column.title,
      class: [column.number && "number", column.id && "id"].filter(Boolean).join(" ") || null,
    }));
    this.element = h("tr", { role: "row" }, this.cells);
  }

  update(row, hidden) {
    this.columns.forEach((column, index) => {
      const cell = this.cells[index];
      const value = column.value?.(row);
      const shown = column.show ? column.show(value, row) : String(value ?? "");
      const sign = signOf(shown);
      cell.hidden = hidden[index];
      if (sign === this.signs[index]) return;
      this.signs[index] = sign;
      cell.replaceChildren(shown);
      cell.classList.toggle("blank", shown === "");
      cell.classList.toggle("short", String(value ?? "").length <= SHORT);
    });
  }
}

function compare(left, right) {
  if (typeof left === "number" && typeof right === "number") return left - right;
  return COLLATOR.compare(String(left ?? ""), String(right ?? ""));
}
