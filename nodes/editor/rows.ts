/** Lists of rows, such as patterns, variables or files. */
import { type Column, type Row, rowReasons } from './columns.ts';
import { reasonPlace, showWords } from './dom.ts';
import type { Form } from './form.ts';
import { type ItemView, listPart, makeList } from './list.ts';
import { say } from './words.ts';

/** Returns a text of a column: from the node type's locale if `own` is set, otherwise a shared one. */
const wordsOf = (form: Form, column: Column, suffix = ''): string =>
  column.own ? form.say(column.own + suffix) : say(`${column.say}${suffix}`);

/** Adds the field of a column to a row. Returns functions that read it and mark it as invalid. */
function addCell(form: Form, column: Column, row: Row, line: JQuery): { read(): Row; mark(bad: boolean): void } {
  const { key, kind = 'text' } = column;
  const field = $('<input type="text">')
    .val(row[key] ?? '')
    .attr({ placeholder: wordsOf(form, column), 'aria-label': wordsOf(form, column), 'data-column': key })
    .toggleClass('recheck-narrow', Boolean(column.narrow));
  if (kind === 'secret') field.attr({ type: 'password', autocomplete: 'new-password' });
  if (kind === 'typed') field.css('width', '100%');
  field.appendTo(line);
  if (kind !== 'typed') {
    return {
      read: () => ({ [key]: String(field.val() ?? '').trim() }),
      mark: (bad) => field.toggleClass('input-error', bad),
    };
  }
  const { typeKey = 'type' } = column;
  const types = (column.types ?? []).map((value) => ({ value, label: wordsOf(form, column, `-${value}`) }));
  const first = types[0]!.value;
  field.typedInput({ types, default: first }).typedInput('type', row[typeKey] || first);
  return {
    read: () => ({ [typeKey]: String(field.typedInput('type')), [key]: field.typedInput('value').trim() }),
    mark: (bad) => field.next('.red-ui-typedInput-container').toggleClass('input-error', bad),
  };
}

interface RowView extends ItemView {
  value(): Row;
  /** Shows the errors of the row; returns whether it is valid. */
  refresh(): boolean;
}

/** Makes the fields of a row, and the element for its errors. */
function makeRow(form: Form, columns: readonly Column[], row: Row, container: JQuery): RowView {
  const line = $('<div class="recheck-cells">').appendTo(container);
  const fields = columns.map((column) => [column.key, addCell(form, column, row, line)] as const);
  const place = reasonPlace().appendTo(container);
  const value = (): Row => Object.assign({}, ...fields.map(([, field]) => field.read()));
  if (Object.keys(row).length === 0) setTimeout(() => container.find('input:visible').first().trigger('focus'));
  return {
    value,
    refresh() {
      const reasons = rowReasons(columns, value());
      for (const [key, field] of fields) field.mark(key in reasons);
      const words = Object.values(reasons).join(' ');
      showWords(place, words);
      return words === '';
    },
  };
}

/** Options of `makeRows`. */
export interface RowsOptions {
  columns: readonly Column[];
  /** The initial rows. */
  rows?: readonly Row[];
  /** Label of the button that adds a row. */
  add: string;
  /** Placeholder of an empty list. */
  empty?: string;
  /** Whether rows can be reordered. */
  sortable?: boolean;
}

/** A list of rows in a form. */
export interface RowList {
  element: JQuery;
  value(): Row[];
  /** Shows the errors of the rows; returns whether all rows are valid. */
  refresh(): boolean;
}

/** Turns an `<ol>` into a list of rows. */
export function makeRows(form: Form, place: JQuery, options: RowsOptions): RowList {
  const { columns, rows = [], add, empty = say('rows.empty'), sortable = false } = options;
  const list = makeList<Row, RowView>(place, {
    add,
    empty,
    sortable,
    make: (container, row) => makeRow(form, columns, row, container),
    changed: () => form.later(),
  });
  for (const row of rows) list.add({ ...row });
  return {
    element: list.element,
    value: () => list.views().map((row) => row.value()),
    refresh: () =>
      list
        .views()
        .map((row) => row.refresh())
        .every(Boolean),
  };
}

/** Shows a setting that is a list of rows in the `<ol>` with the id `recheck-<property>`. */
export function showRows(form: Form, property: string, options: RowsOptions): void {
  const place = form.root.find(`#recheck-${property}`);
  listPart(form, property, makeRows(form, place, { rows: form.saved<Row[]>(property), ...options }));
}
