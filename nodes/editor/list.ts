/** Lists in forms: Node-RED's editableList widget, with one view per item. */
import type { Form } from './form.ts';

/** The fields of an item. */
export interface ItemView {
  /** Frees what the view holds, such as a code editor. */
  dispose?(): void;
}

/** Options of `makeList`. */
export interface ListOptions<Data, View> {
  /** Label of the button that adds an item. */
  add: string;
  /** Placeholder of an empty list. */
  empty?: string;
  sortable?: boolean;
  /** Makes the fields of an item; `data` is an empty object if the item was added with the button. */
  make(container: JQuery, data: Data): View;
  /** Called after an item was added, removed or moved. */
  changed(): void;
}

/** A list in a form. */
export interface List<Data, View> {
  /** The whole widget, including its border and button. */
  element: JQuery;
  add(data: Data): void;
  /** Returns the views in the order of the items. */
  views(): View[];
}

/** Turns an `<ol>` into a list. Removing an item disposes of its view. */
export function makeList<Data extends object, View extends ItemView>(
  list: JQuery,
  { add, empty, sortable = true, make, changed }: ListOptions<Data, View>,
): List<Data, View> {
  const made = new Map<Data, View>();
  const options = {
    addButton: add,
    sortable,
    removable: true,
    height: 'auto' as const,
    scrollOnAdd: false,
    buttons: [],
    addItem(container: JQuery, _index: number, data: Data) {
      made.set(data, make(container, data));
      changed();
    },
    removeItem(data: Data) {
      made.get(data)?.dispose?.();
      made.delete(data);
      changed();
    },
    sortItems: changed,
  };
  list.editableList<Data>(options);
  // Set last: editableList keeps the height that the element has when it is created.
  if (empty !== undefined) list.attr('data-empty', empty);
  return {
    element: list.closest<HTMLElement>('.red-ui-editableList-border'),
    add: (data) => list.editableList('addItem', data),
    views: () =>
      list
        .editableList('items')
        .toArray()
        .map((item) => made.get($(item).data('data') as Data))
        .filter((view) => view !== undefined),
  };
}

/** A list that edits a setting and shows the errors of its items itself. */
export interface ListPart {
  element: JQuery;
  /** Returns the setting. */
  value(): unknown;
  /** Marks invalid items; returns whether all items are valid. */
  refresh(): boolean;
  dispose?(): void;
}

/** Adds a list to the form as the part that edits a setting. */
export function listPart(form: Form, property: string, list: ListPart): void {
  let good = true;
  form.part(property, {
    element: list.element,
    value: list.value,
    refresh: () => {
      good = list.refresh();
    },
    ownReasons: () => !good,
    ...(list.dispose ? { dispose: list.dispose } : {}),
  });
}
