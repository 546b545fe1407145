/** Settings that are edited as code. */
import type { Form, Size } from './form.ts';
import { type Offer, showOffers } from './offers.ts';

/** The least height of an editor that fills the form's room. */
const MIN_HEIGHT_PX = 200;
/** What the form's own margins take of its height. */
const MARGINS_PX = 60;
/** Milliseconds that the large editor takes to close. */
const CLOSE_DELAY_MS = 250;

export interface CodeOptions {
  /** The language: `sh`, `yaml`, `xml`. */
  mode: string;
  /** Keeps the cursor and the folds of a text. */
  stateId: string;
  value: string;
}

export type CodeEditor = ReturnType<typeof RED.editor.createEditor>;

/** Makes a code editor in `place`; the button `expand` opens it large. The caller destroys it. */
export function makeCodeEditor(
  form: Form,
  place: JQuery,
  expand: JQuery,
  { mode, stateId, value }: CodeOptions,
): CodeEditor {
  const editor = RED.editor.createEditor({ element: place[0]!, mode: `ace/mode/${mode}`, stateId, value });
  // Monaco's own: the room is for the script. Ace has no such map.
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
 * Shows a setting as code. The form has a hidden field for it, an element `recheck-<property>` for the editor and a
 * button `recheck-<property>-expand`. It fills what room the form has; under "More" it has a height of its own.
 *
 * @param offers words to put in, shown beside it in `recheck-<property>-offer`; `insert(word)` is what is put in for one
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
  /** The height of the words beside it; 0 if they stand below it. */
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
