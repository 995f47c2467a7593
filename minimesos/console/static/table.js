// A table that keeps its order, its filter and how far it is unfolded while its rows are renewed.
//
// A column is {title, value(row), show(value, row)?, number?, id?}: `value` is what is sorted and
// searched by, `show` what is displayed (text or an element).

import { h } from "./dom.js";

const PAGE = 50;

export class Table {
  constructor(title, columns, empty, order = null) {
    this.columns = columns;
    this.empty = empty;
    this.order = order ?? { column: 0, down: false };
    this.limit = PAGE;
    this.rows = [];
    this.drawn = null;
    this.count = h("span", { class: "count" });
    this.filter = h("input", {
      type: "search", placeholder: "Find …", "aria-label": `Find in ${title}`,
      input: () => this.draw(true),
    });
    this.heads = columns.map((column, index) =>
      h("th", { class: column.number ? "number" : null, scope: "col" },
        h("button", { type: "button", click: () => this.sortBy(index) }, column.title)));
    this.body = h("tbody");
    this.note = h("p", { class: "empty" });
    this.more = h("button", { type: "button", class: "more", click: () => this.unfold() });
    this.scroll = h("div", { class: "scroll" },
      h("table", {}, h("thead", {}, h("tr", {}, this.heads)), this.body));
    this.element = h("section", { class: "card" },
      h("div", { class: "table-head" }, h("h2", {}, `${title} `, this.count), this.filter),
      this.scroll, this.note, this.more);
  }

  update(rows) {
    this.rows = rows;
    this.draw(false);
  }

  sortBy(index) {
    const down = this.order.column === index ? !this.order.down : false;
    this.order = { column: index, down };
    this.draw(true);
  }

  unfold() {
    this.limit *= 4;
    this.draw(true);
  }

  draw(force) {
    const found = this.matching();
    const shown = found.slice(0, this.limit);
    this.count.textContent = String(this.rows.length);
    this.filter.hidden = this.rows.length === 0;
    this.scroll.hidden = shown.length === 0;
    this.note.hidden = shown.length > 0;
    this.note.textContent = this.rows.length === 0 ? this.empty : "Nothing matches.";
    this.more.hidden = found.length <= shown.length;
    this.more.textContent = `Show more (${found.length - shown.length})`;
    this.heads.forEach((head, index) => {
      const sorted = this.order.column === index;
      if (sorted) head.setAttribute("aria-sort", this.order.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
      head.firstChild.textContent =
        this.columns[index].title + (sorted ? (this.order.down ? " ↓" : " ↑") : "");
    });
    const rows = shown.map((row) => this.row(row));
    const drawn = rows.map((row) => row.outerHTML).join("");
    // Rows that look the same stay, so that a selection or the focus survives a refresh.
    if (force || drawn !== this.drawn) this.body.replaceChildren(...rows);
    this.drawn = drawn;
  }

  matching() {
    const wanted = this.filter.value.trim().toLowerCase();
    const { value } = this.columns[this.order.column];
    const sign = this.order.down ? -1 : 1;
    return this.rows
      .filter((row) => wanted === "" || this.columns.some(
        (column) => String(column.value(row)).toLowerCase().includes(wanted)))
      .map((row) => [value(row), row])
      .sort(([left], [right]) => sign * compare(left, right))
      .map(([, row]) => row);
  }

  row(row) {
    return h("tr", {}, this.columns.map((column) => {
      const value = column.value(row);
      const shown = column.show ? column.show(value, row) : String(value ?? "");
      const kind = [column.number && "number", column.id && "id", shown === "" && "blank"];
      return h("td", { class: kind.filter(Boolean).join(" ") || null,
        "data-label": column.title }, shown);
    }));
  }
}

function compare(left, right) {
  if (typeof left === "number" && typeof right === "number") return left - right;
  return String(left ?? "").localeCompare(String(right ?? ""), "en", { numeric: true });
}
