/** Code editors in forms. */
import type { Form, Size } from './form.ts';
import { type Offer, showOffers } from './offers.ts';

/** Minimum height of an editor that fills the form. */
const MIN_HEIGHT_PX = 200;
/** Height of the form's margins. */
const MARGINS_PX = 60;
/** Time that the full-size editor takes to close. */
const CLOSE_DELAY_MS = 250;

/** Options of `makeCodeEditor`. */
export interface CodeOptions {
  /** The language: `sh`, `yaml`, `xml`. */
  mode: string;
  /** Id under which Node-RED keeps the cursor position and folds. */
  stateId: string;
  value: string;
}

/** Node-RED's code editor. */
export type CodeEditor = ReturnType<typeof RED.editor.createEditor>;

/** Creates a code editor in `place`. The button `expand` opens it in full size. The caller must destroy it. */
export function makeCodeEditor(
  form: Form,
  place: JQuery,
  expand: JQuery,
  { mode, stateId, value }: CodeOptions,
): CodeEditor {
  const editor = RED.editor.createEditor({ element: place[0]!, mode: `ace/mode/${mode}`, stateId, value });
  // The minimap leaves too little room for the script. Only Monaco has one.
  editor.updateOptions?.({ minimap: { enabled: false } });
  editor.getSession().on('change', () => form.later());

  RED.popover.tooltip(expand, RED._('node-red:common.label.expand'));
  expand.on('click', (event) => {
    event.preventDefault();
    editor.saveView?.();
    RED.editor.editText({
      mode,
      stateId,
      value: editor.getValue(),
      width: 'Infinity',
      focus: true,
      complete(text) {
        editor.setValue(text, -1);
        setTimeout(() => {
          editor.restoreView?.();
          editor.focus();
        }, CLOSE_DELAY_MS);
      },
    });
  });
  return editor;
}

/**
 * Shows a setting in a code editor. The form must contain a hidden field for the setting, the element
 * `recheck-<property>` and the button `recheck-<property>-expand`. The editor fills the form, unless it is in a folded
 * section: then it has a fixed height.
 *
 * @param offers words to insert, shown in `recheck-<property>-offer`; `insert(word)` returns the text to insert
 */
export function showCode(
  form: Form,
  property: string,
  mode: string,
  offers?: { groups: Offer[]; insert?(word: string): string },
): CodeEditor {
  const place = form.root.find(`#recheck-${property}`);
  const stateId = RED.editor.generateViewStateId('node', form.node, property);
  const expand = form.root.find(`#recheck-${property}-expand`);
  const beside = form.root.find(`#recheck-${property}-offer`);
  const editor = makeCodeEditor(form, place, expand, { mode, stateId, value: form.saved(property) });

  if (offers) {
    showOffers(beside, offers.groups, (word) => {
      editor.getSession().insert(editor.getCursorPosition(), offers.insert?.(word) ?? word);
      editor.focus();
    });
  }

  const isFolded = place.closest('details').length > 0;
  const resize = (size: Size): void => {
    if (!isFolded)
      place.css('height', `${Math.max(MIN_HEIGHT_PX, levelHeight(), size.height - taken() - MARGINS_PX)}px`);
    editor.resize();
  };
  const taken = (): number => {
    const others = form.root.children('.form-row, .recheck-note, details').not(place.closest<HTMLElement>('.form-row'));
    return others.toArray().reduce((sum, row) => sum + ($(row).outerHeight(true) || 0), 0);
  };
  /** Returns the height of the words next to the editor, or 0 if they are below it. */
  const levelHeight = (): number =>
    beside.length > 0 && beside.position().top === place.position().top ? (beside.outerHeight() ?? 0) : 0;
  form.part(property, {
    field: form.field(property),
    element: place,
    value: () => editor.getValue(),
    resize,
    dispose: () => editor.destroy(),
  });
  return editor;
}
