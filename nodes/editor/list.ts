/** Lists in forms: Node-RED's editable list, with a view for each of its items. */
import type { Form } from './form.ts';

/** The fields of an item. */
export interface ItemView {
  dispose?(): void;
}

export interface ListOptions<Data, View> {
  /** The words on its button. */
  add: string;
  /** Shown while it is empty. */
  empty?: string;
  sortable?: boolean;
  /** Makes the fields of an item; `data` is an empty object for one that was added by the button. */
  make(container: JQuery, data: Data): View;
  /** Called after each change of the items. */
  changed(): void;
}

export interface List<Data, View> {
  /** The list with its border and its button. */
  element: JQuery;
  add(data: Data): void;
  /** Returns the items' views in their order. */
  views(): View[];
}

/** Turns an `<ol>` into a list. An item's view is disposed of when the item is removed. */
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
  // Set after the list is made: it takes the height that it has then for the one it must keep.
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

/** A list that shows a setting: it marks what is wrong in its items itself. */
export interface ListPart {
  element: JQuery;
  value(): unknown;
  /** Marks what is wrong; returns whether all is good. */
  refresh(): boolean;
  dispose?(): void;
}

/** Adds a list to the form as the part that shows a setting. */
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
