import { type Column, NAME_COLUMN } from '../editor/columns.ts';
import type { Form } from '../editor/form.ts';
import { listPart } from '../editor/list.ts';
import { STORED } from '../editor/private-key.ts';
import { makeRows, type RowList } from '../editor/rows.ts';

/** Returns the values entered since the last deploy, which the hidden field contains, unlike the stored values. */
function typedSecrets(text: unknown): Record<string, string> {
  try {
    return JSON.parse(String(text));
  } catch {
    return {};
  }
}

/**
 * Shows the secrets: their names are a setting of the node, their values one credential. The editor never receives
 * stored values, so all values must be entered again to change or add one, but not to remove one.
 *
 * @param names the saved names
 */
export function showSecrets(form: Form, names: readonly string[]): void {
  const field = form.field('secrets');
  const isStored = field.val() === STORED;
  const typed = isStored ? {} : typedSecrets(field.val());
  const before = new Set<string | undefined>(names);
  let list: RowList | undefined;
  const rows = () => list?.value() ?? [];
  const keepsStored = () => isStored && rows().every((row) => before.has(row['name']) && !row['value']);
  const value: Column = {
    key: 'value',
    kind: 'secret',
    own: isStored ? 'row.stored' : 'row.secret',
    check: (text) => (text || !list || keepsStored() ? undefined : form.say('error.secret')),
  };
  list = makeRows(form, form.root.find('#recheck-secretNames'), {
    columns: [NAME_COLUMN, value],
    rows: names.map((name) => ({ name, value: typed[name] ?? '' })),
    add: form.say('add.secret'),
  });
  listPart(form, 'secretNames', { ...list, value: () => rows().map((row) => row['name']) });
  const json = () => JSON.stringify(Object.fromEntries(rows().map((row) => [row['name'], row['value']])));
  form.part('secrets', { field, value: () => (rows().length === 0 ? '' : keepsStored() ? STORED : json()) });
}
