/** Lists of rows, such as patterns, variables, files. */
import { type Column, type Row, rowReasons } from './columns.ts';
import { reasonPlace, showWords } from './dom.ts';
import type { Form } from './form.ts';
import { type ItemView, listPart, makeList } from './list.ts';
import { say } from './words.ts';

/** Returns a column's words: from the node's own locale if it says `own`, else the shared ones. */
const wordsOf = (form: Form, column: Column, suffix = ''): string =>
  column.own ? form.say(column.own + suffix) : say(`${column.say}${suffix}`);

/** Puts a column's field into the row's line; returns how it is read and marked. */
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
  /** Marks what is wrong with the row; returns whether it is good. */
  refresh(): boolean;
}

/** Makes one row's fields with the reasons below. */
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

export interface RowsOptions {
  columns: readonly Column[];
  /** The rows to begin with. */
  rows?: readonly Row[];
  /** The words on its button. */
  add: string;
  /** Shown while it is empty. */
  empty?: string;
  /** Whether the order matters. */
  sortable?: boolean;
}

export interface RowList {
  element: JQuery;
  value(): Row[];
  refresh(): boolean;
}

/** Makes a list of rows of an `<ol>`. */
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

/** Shows a setting that is a list of rows in the `<ol>` whose id is `recheck-<property>`. */
export function showRows(form: Form, property: string, options: RowsOptions): void {
  const place = form.root.find(`#recheck-${property}`);
  listPart(form, property, makeRows(form, place, { rows: form.saved<Row[]>(property), ...options }));
}
