/** A node's open form: its fields, what is shown when, and the reason beside each wrong field. */
import { showWords } from './dom.ts';
import type { EditorNode, Values } from './editor-node.ts';
import { CATALOG, say, sayOf } from './words.ts';

/** Milliseconds in which events are gathered before the form is refreshed. */
const REFRESH_DELAY_MS = 60;

export interface Size {
  width: number;
  height: number;
}

/** A part of a form with more to it than one field. */
export interface Part {
  /** Where the reason goes; the setting's field if it is missing. */
  element?: JQuery;
  /** Returns the setting, which is saved on the node. */
  value?(): unknown;
  /** The hidden field that the value is saved by, if Node-RED is to take it from there. */
  field?: { val(value: string): unknown };
  /** Marks what is wrong inside. */
  refresh?(): void;
  /** Whether the part itself shows its reasons. */
  ownReasons?(): boolean;
  resize?(size: Size): void;
  dispose?(): void;
}

/** Open forms by the node's id: a configuration node's form opens on top of the form that asked for it. */
const open = new Map<string, Form>();

/** Returns the node's open form; undefined if none is open. */
export const formOf = (node: EditorNode): Form | undefined => open.get(node.id);

const isTick = (field: JQuery): boolean => field.attr('type') === 'checkbox';

export class Form {
  readonly node: EditorNode;
  readonly prefix: 'node-config-input' | 'node-input';
  readonly root: JQuery;
  readonly #parts = new Map<string, Part>();
  readonly #conditions: { property: string; wanted: unknown[]; elements: JQuery }[] = [];
  readonly #doubts = new Map<string, (value: never) => string | undefined>();
  readonly #listeners: (() => void)[] = [];
  readonly #validated: EditorNode['_def']['defaults'];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(node: EditorNode) {
    const { category, defaults, credentials } = node._def;
    this.node = node;
    this.prefix = category === 'config' ? 'node-config-input' : 'node-input';
    this.root = $(`#${this.prefix}-name`).closest<HTMLElement>('form').addClass('recheck-form');
    // One saved before a setting came has that setting's default.
    for (const [property, { type }] of Object.entries(defaults)) {
      if (node[property] === undefined && !type) this.#fill(this.root, property, this.saved(property));
    }
    this.#validated = { ...defaults, ...credentials };
    this.#prepareFolds();
    // A setting that is newer than the node: the first choice is its default.
    this.root.find<HTMLSelectElement>('select').each((_, select) => {
      if (select.selectedIndex < 0) select.selectedIndex = 0;
    });
    this.root.on('change keyup paste input', () => this.later());
  }

  /** Gives what is folded its title: `data-title` is a key of the node's words, "More" if there is none. */
  #prepareFolds(): void {
    this.root.find('details.recheck-more:not(:has(> summary))').each((_, details) => {
      const key = details.dataset['title'];
      $('<summary>')
        .text(key ? this.say(key) : say('more'))
        .prependTo(details);
    });
  }

  /** Returns a setting as it was saved; its default if the node is older than the setting. */
  saved<Value = unknown>(property: string): Value {
    return (this.node[property] ?? structuredClone(this.node._def.defaults[property]?.value)) as Value;
  }

  /** Returns a text of the node's own locale, or a shared one. */
  say(key: string, values?: Values): string {
    return sayOf(this.node, key, values);
  }

  field(property: string): JQuery {
    return this.root.find(`#${this.prefix}-${property}`);
  }

  /**
   * Puts a shared template's fields into the element that `selector` finds; rows that it has already go to the
   * template's slot. Node-RED filled the form's fields before this, so those put in are filled here.
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

  /** Returns a setting as the form shows it now; as it was saved if the form has no field for it. */
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

  /** Adds a part that shows a setting. */
  part(property: string, part: Part): void {
    this.#parts.set(property, part);
  }

  /** Shows what `selector` finds only while `property` has that value, or one of those. */
  showWhen(property: string, value: unknown, selector: string): this {
    this.#conditions.push({ property, wanted: [value].flat(), elements: this.root.find(selector) });
    return this;
  }

  /**
   * Warns of a setting that may be meant so: `words(value)` says what is unusual about it. It can be saved all the
   * same.
   */
  doubt<Value>(property: string, words: (value: Value) => string | undefined): this {
    this.#doubts.set(property, words);
    return this;
  }

  /** Calls the listener at each refresh. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Refreshes once after a burst of events. */
  later(): void {
    if (open.get(this.node.id) !== this) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), REFRESH_DELAY_MS);
  }

  /** Shows what belongs to the values of now, and marks what is wrong. */
  refresh(): void {
    for (const { property, wanted, elements } of this.#conditions) {
      elements.prop('hidden', !wanted.includes(this.value(property)));
    }
    for (const listener of this.#listeners) listener();
    for (const part of this.#parts.values()) part.refresh?.();
    for (const property of Object.keys(this.#validated)) this.#showReason(property);
    for (const property of this.#doubts.keys()) this.#showDoubt(property);
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
    // A list marks its rows itself; only what is wrong with the list as a whole stands below it.
    showWords(place, part?.ownReasons?.() ? undefined : reason);
  }

  #showDoubt(property: string): void {
    const field = this.#parts.get(property)?.element ?? this.field(property);
    const place = this.#placeIn(field, 'recheck-doubt', 'status', property);
    // What is wrong comes first.
    showWords(place, this.#reason(property) ? undefined : this.#doubts.get(property)!(this.value<never>(property)));
  }

  /** Returns the place for words about a setting in its row, made the first time. */
  #placeIn(field: JQuery, kind: string, role: string, property: string): JQuery {
    const row = field.closest<HTMLElement>('.form-row');
    const place = row.children<HTMLElement>(`.${kind}[data-of="${property}"]`);
    if (place.length > 0) return place;
    return $('<div>').addClass(kind).attr({ role, 'data-of': property }).appendTo(row);
  }

  /** Opens what is folded if something in it is wrong. */
  unfoldWrong(): void {
    this.root.find<HTMLDetailsElement>('details.recheck-more').each((_, details) => {
      if ($(details).find('> summary > .recheck-reason').length > 0) details.open = true;
    });
  }

  /** Puts the parts' values where Node-RED saves them from, and closes the form. */
  save(): void {
    for (const [property, part] of this.#parts) {
      const value = part.value?.();
      if (part.field) part.field.val(value as string);
      else if (value !== undefined) this.node[property] = value;
    }
    this.close();
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const part of this.#parts.values()) part.dispose?.();
    open.delete(this.node.id);
  }

  resize(size: Size): void {
    for (const part of this.#parts.values()) part.resize?.(size);
  }
}

/** Opens a node's form; `build(form)` adds its parts. */
export function openForm(node: EditorNode, build?: (form: Form) => void): void {
  open.get(node.id)?.close();
  const form = new Form(node);
  open.set(node.id, form);
  build?.(form);
  form.refresh();
  form.unfoldWrong();
  // Node-RED fills the lists of configuration nodes and its own error marks after this call.
  form.later();
}
