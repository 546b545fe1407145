/** The open form of a node: its fields, conditional rows, and the error below each invalid field. */
import { showWords } from './dom.ts';
import type { EditorNode, Values } from './editor-node.ts';
import { CATALOG, say, sayOf } from './words.ts';

/** Delay after an event before the form is refreshed, so that a burst of events causes one refresh. */
const REFRESH_DELAY_MS = 60;

/** The size of a form, in pixels. */
export interface Size {
  width: number;
  height: number;
}

/** A part of a form that is more than one plain field. */
export interface Part {
  /** The element in whose row errors are shown; by default, the field of the setting. */
  element?: JQuery;
  /** Returns the setting, which is saved in the node. */
  value?(): unknown;
  /** The hidden field to write the value to, if Node-RED is to read it from there. */
  field?: { val(value: string): unknown };
  /** Updates the part, for example which of its items are marked as invalid. */
  refresh?(): void;
  /** Whether the part shows its errors itself. */
  ownReasons?(): boolean;
  resize?(size: Size): void;
  /** Frees what the part holds when the form is closed. */
  dispose?(): void;
}

/** Open forms by node id. There may be several: the form of a configuration node opens on top of its user's form. */
const open = new Map<string, Form>();

/** Returns the open form of a node, or undefined if it is not open. */
export const formOf = (node: EditorNode): Form | undefined => open.get(node.id);

const isTick = (field: JQuery): boolean => field.attr('type') === 'checkbox';

/** The open form of a node. Node-RED has filled its plain fields before it is created. */
export class Form {
  readonly node: EditorNode;
  readonly prefix: 'node-config-input' | 'node-input';
  readonly root: JQuery;
  readonly #parts = new Map<string, Part>();
  readonly #conditions: { property: string; wanted: unknown[]; elements: JQuery }[] = [];
  readonly #warnings = new Map<string, (value: never) => string | undefined>();
  readonly #listeners: (() => void)[] = [];
  readonly #validated: EditorNode['_def']['defaults'];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(node: EditorNode) {
    const { category, defaults, credentials } = node._def;
    this.node = node;
    this.prefix = category === 'config' ? 'node-config-input' : 'node-input';
    this.root = $(`#${this.prefix}-name`).closest<HTMLElement>('form').addClass('recheck-form');
    // A node that was saved before a setting existed has the default of that setting.
    for (const [property, { type }] of Object.entries(defaults)) {
      if (node[property] === undefined && !type) this.#fill(this.root, property, this.saved(property));
    }
    this.#validated = { ...defaults, ...credentials };
    this.#prepareFolds();
    // The same for a choice: its first option is the default.
    this.root.find<HTMLSelectElement>('select').each((_, select) => {
      if (select.selectedIndex < 0) select.selectedIndex = 0;
    });
    this.root.on('change keyup paste input', () => this.later());
  }

  /** Adds titles to folded sections: the text with the key in `data-title`, or "More". */
  #prepareFolds(): void {
    this.root.find('details.recheck-more:not(:has(> summary))').each((_, details) => {
      const key = details.dataset['title'];
      $('<summary>')
        .text(key ? this.say(key) : say('more'))
        .prependTo(details);
    });
  }

  /** Returns a setting as saved, or its default if the node was saved before the setting existed. */
  saved<Value = unknown>(property: string): Value {
    return (this.node[property] ?? structuredClone(this.node._def.defaults[property]?.value)) as Value;
  }

  /** Returns a text from the node type's locale, or a shared one. */
  say(key: string, values?: Values): string {
    return sayOf(this.node, key, values);
  }

  /** Returns the field of a setting or credential; empty if the form has none. */
  field(property: string): JQuery {
    return this.root.find(`#${this.prefix}-${property}`);
  }

  /**
   * Inserts a shared template into the element that `selector` finds; existing children move to the template's
   * `.recheck-slot`. Fills the inserted fields, because Node-RED filled the fields of the form before.
   */
  insert(template: string, selector: string): void {
    const place = this.root.find(selector);
    const own = place.children().detach();
    place.html($(template).html());
    place.find('.recheck-slot').replaceWith(own);
    place
      .find('[data-i18n]')
      .not(own.find('*'))
      .each((_, element) => {
        const keys = element.dataset['i18n']!.split(';');
        element.dataset['i18n'] = keys.map((key) => key.replace(/^(\[[\w-]+\])?/, `$1${CATALOG}`)).join(';');
      });
    place.i18n();
    const { defaults, credentials } = this.node._def;
    const stored = this.node.credentials ?? {};
    for (const property of Object.keys(defaults)) this.#fill(place, property, this.saved(property));
    for (const property of Object.keys(credentials ?? {})) {
      this.#fill(place, property, stored[property] || (stored[`has_${property}`] ? '__PWRD__' : ''));
    }
    this.#prepareFolds();
  }

  #fill(place: JQuery, property: string, value: unknown): void {
    const field = place.find(`#${this.prefix}-${property}`);
    if (isTick(field)) field.prop('checked', Boolean(value));
    else field.val((value ?? '') as string);
  }

  /** Returns the value of a setting in the form, or its saved value if the form has no field for it. */
  value<Value = unknown>(property: string): Value {
    return this.#shown(property) as Value;
  }

  #shown(property: string): unknown {
    const part = this.#parts.get(property);
    if (part?.value) return part.value();
    const field = this.field(property);
    if (field.length === 0) return this.saved(property);
    if (isTick(field)) return field.prop('checked');
    const value = field.val();
    return value === '_ADD_' ? '' : value;
  }

  /** Adds the part that edits a setting. */
  part(property: string, part: Part): void {
    this.#parts.set(property, part);
  }

  /** Shows the elements of `selector` only while the setting has this value, or one of an array of values. */
  showWhen(property: string, value: unknown, selector: string): this {
    this.#conditions.push({ property, wanted: [value].flat(), elements: this.root.find(selector) });
    return this;
  }

  /**
   * Shows a warning below a setting if `warning(value)` returns one. Unlike an error, it does not make the node
   * invalid.
   */
  warnIf<Value>(property: string, warning: (value: Value) => string | undefined): this {
    this.#warnings.set(property, warning);
    return this;
  }

  /** Calls the listener on every refresh. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Schedules a refresh. Several calls in a short time cause one refresh. */
  later(): void {
    if (open.get(this.node.id) !== this) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), REFRESH_DELAY_MS);
  }

  /** Updates conditional rows and parts to the current values, and shows errors and warnings. */
  refresh(): void {
    for (const { property, wanted, elements } of this.#conditions) {
      elements.prop('hidden', !wanted.includes(this.value(property)));
    }
    for (const listener of this.#listeners) listener();
    for (const part of this.#parts.values()) part.refresh?.();
    for (const property of Object.keys(this.#validated)) this.#showReason(property);
    for (const property of this.#warnings.keys()) this.#showWarning(property);
    this.root.find('details.recheck-more').each((_, details) => {
      const reasons = $(details).find('.recheck-reason:not([hidden])');
      const wrong = reasons.filter((_, element) => !element.closest('summary')).length > 0;
      const mark = $(details).find('> summary > .recheck-reason');
      if (wrong && mark.length === 0) $('<span class="recheck-reason">').appendTo($(details).children('summary'));
      if (!wrong) mark.remove();
    });
  }

  #reason(property: string): string | undefined {
    const validate = this.#validated[property]?.validate;
    if (!validate) return undefined;
    const verdict = validate.call(this.node, this.value(property), {});
    if (verdict === true) return undefined;
    return (Array.isArray(verdict) ? verdict[0] : verdict) || say('reason.wrong');
  }

  #showReason(property: string): void {
    const part = this.#parts.get(property);
    const field = part?.element ?? this.field(property);
    if (field.length === 0) return;
    const reason = this.#reason(property);
    field.toggleClass('input-error', Boolean(reason));
    field.next('.red-ui-typedInput-container').toggleClass('input-error', Boolean(reason));
    const place = this.#placeIn(field, 'recheck-reason', 'alert', property);
    // A list shows the errors of its rows itself; below it are only errors of the list as a whole.
    showWords(place, part?.ownReasons?.() ? undefined : reason);
  }

  #showWarning(property: string): void {
    const field = this.#parts.get(property)?.element ?? this.field(property);
    const place = this.#placeIn(field, 'recheck-caution', 'status', property);
    // An error takes precedence.
    showWords(place, this.#reason(property) ? undefined : this.#warnings.get(property)!(this.value<never>(property)));
  }

  /** Returns the element for a setting's error or warning in its row. Creates it if needed. */
  #placeIn(field: JQuery, kind: string, role: string, property: string): JQuery {
    const row = field.closest<HTMLElement>('.form-row');
    const place = row.children<HTMLElement>(`.${kind}[data-of="${property}"]`);
    if (place.length > 0) return place;
    return $('<div>').addClass(kind).attr({ role, 'data-of': property }).appendTo(row);
  }

  /** Opens folded sections that contain an error. */
  unfoldWrong(): void {
    this.root.find<HTMLDetailsElement>('details.recheck-more').each((_, details) => {
      if ($(details).find('> summary > .recheck-reason').length > 0) details.open = true;
    });
  }

  /** Stores the values of the parts where Node-RED saves them from, and closes the form. */
  save(): void {
    for (const [property, part] of this.#parts) {
      const value = part.value?.();
      if (part.field) part.field.val(value as string);
      else if (value !== undefined) this.node[property] = value;
    }
    this.close();
  }

  /** Disposes of the parts. */
  close(): void {
    clearTimeout(this.#timer);
    for (const part of this.#parts.values()) part.dispose?.();
    open.delete(this.node.id);
  }

  /** Passes the new size of the form to its parts. */
  resize(size: Size): void {
    for (const part of this.#parts.values()) part.resize?.(size);
  }
}

/** Opens the form of a node. `build` adds its parts. */
export function openForm(node: EditorNode, build?: (form: Form) => void): void {
  open.get(node.id)?.close();
  const form = new Form(node);
  open.set(node.id, form);
  build?.(form);
  form.refresh();
  form.unfoldWrong();
  // After this call, Node-RED fills the lists of configuration nodes and sets its own error marks.
  form.later();
}
