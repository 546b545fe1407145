/** The list of scripts that build an image. Each script is edited in its own code editor or read from a file. */
import { ABSOLUTE_PATH, checkEach } from '../editor/check.ts';
import { type CodeEditor, makeCodeEditor } from '../editor/code-editor.ts';
import { foldButton, formRow, reasonPlace, showWords } from '../editor/dom.ts';
import type { EditorNode, Values } from '../editor/editor-node.ts';
import type { Form } from '../editor/form.ts';
import { listPart, makeList } from '../editor/list.ts';
import { reasonOf } from '../editor/rules.ts';
import { sayOf } from '../editor/words.ts';

const DEFAULT_INTERPRETER = '/bin/bash -xe';

interface Script {
  name: string;
  user: string;
  interpreter: string;
  text: string;
  /** Path on the controller; if set, `text` is ignored. */
  file: string;
}

type Reasons = Partial<Record<keyof Script, string>>;

/** Returns the errors of a script, by setting. */
function scriptReasons(node: EditorNode, script: Script, isFile = Boolean(script.file)): Reasons {
  const word = (key: string): string => sayOf(node, `script.${key}`);
  const body = isFile
    ? { file: reasonOf(word('file'), script.file, ABSOLUTE_PATH) }
    : { text: reasonOf(word('text'), script.text, {}) };
  const reasons = {
    name: reasonOf(word('name'), script.name, { pattern: /^[A-Za-z0-9][\w.-]*$/, says: 'imageName' }),
    user: reasonOf(word('user'), script.user, {
      optional: true,
      pattern: /^[a-z_][a-z0-9_.-]*$/i,
      says: 'userName',
    }),
    interpreter: reasonOf(word('interpreter'), script.interpreter, {
      optional: true,
      pattern: /^\//,
      says: 'interpreter',
    }),
    ...body,
  };
  return Object.fromEntries(Object.entries(reasons).filter(([, reason]) => reason));
}

interface ScriptView {
  value(): Script;
  dispose(): void;
  /** Shows errors; returns whether the script is valid. */
  refresh(): boolean;
}

/** Makes the fields of a script. */
function makeScript(form: Form, container: JQuery, script: Script, isNew: boolean): ScriptView {
  const say = (key: string, values?: Values): string => form.say(`script.${key}`, values);
  const input = (key: keyof Script, placeholder = say(key)): JQuery =>
    $('<input type="text" spellcheck="false">')
      .val(script[key])
      .attr({ placeholder, 'aria-label': say(key), 'data-column': key });
  const name = input('name');
  const user = input('user', say('loginUser'));
  const fold = foldButton('fa-pencil', say('more'));
  $('<div class="recheck-cells">').append(name, user, fold).appendTo(container);
  const gist = $('<div class="recheck-gist">').appendTo(container);
  const place = reasonPlace().appendTo(container);

  const details = $('<div class="recheck-fold" hidden>').appendTo(container);
  const from = $('<select data-column="from">').attr('aria-label', say('from'));
  for (const kind of ['text', 'file']) {
    $('<option>')
      .val(kind)
      .text(say(`from-${kind}`))
      .appendTo(from);
  }
  from.val(script.file ? 'file' : 'text');
  formRow(say('from'), from).appendTo(details);
  const file = input('file', say('path'));
  const fileRow = formRow(say('file'), file).appendTo(details);
  const expand = $(
    '<button type="button" class="red-ui-button red-ui-button-small"><i class="fa fa-expand"></i></button>',
  );
  const code = $('<div class="node-text-editor">');
  const head = $('<div class="recheck-code-head">').append($('<label>').text(say('text')), expand);
  const textRow = $('<div class="form-row recheck-wide">').append(head, code).appendTo(details);
  const interpreter = input('interpreter', DEFAULT_INTERPRETER);
  formRow(say('interpreter'), interpreter).appendTo(details);

  let editor: CodeEditor | undefined;
  const isFile = (): boolean => from.val() === 'file';
  const show = (isShown: boolean): void => {
    details.prop('hidden', !isShown);
    gist.prop('hidden', isShown);
    fold.attr('aria-expanded', String(isShown));
    // Created on first use: a code editor is expensive, and the list may be long.
    if (!isShown || isFile()) return;
    editor ??= makeCodeEditor(form, code, expand, { mode: 'sh', stateId: RED.nodes.id(), value: script.text });
  };
  fold.on('click', () => show(details.prop('hidden')));
  from.on('change', () => show(true));
  show(isNew);

  const textIn = (field: JQuery): string => String(field.val()).trim();
  const value = (): Script => ({
    name: textIn(name),
    user: textIn(user),
    interpreter: textIn(interpreter),
    text: isFile() ? '' : (editor?.getValue() ?? script.text),
    file: isFile() ? textIn(file) : '',
  });
  const fields = { name, user, interpreter, file, text: code };
  return {
    value,
    dispose: () => editor?.destroy(),
    refresh() {
      const now = value();
      fileRow.prop('hidden', !isFile());
      textRow.prop('hidden', isFile());
      const reasons = scriptReasons(form.node, now, isFile());
      for (const [key, field] of Object.entries(fields)) field.toggleClass('input-error', key in reasons);
      if (reasons.interpreter || reasons.file) show(true);
      const words = Object.values(reasons).join(' ');
      showWords(place, words);
      const lines = now.text.trim().split('\n');
      const first = lines.find((line) => line.trim() !== '' && !line.startsWith('#')) ?? '';
      gist.text(now.file || say('gist', { count: lines.length, first }));
      return words === '';
    },
  };
}

/** Checks the scripts: at least one, all valid. */
export const checkScripts = (node: EditorNode, property: string, scripts: unknown): true | string | string[] =>
  checkEach<Script>(node, property, scripts, (script) => Object.values(scriptReasons(node, script)), 1);

/** Shows a setting that is an ordered list of scripts in the `<ol>` with the id `recheck-<property>`. */
export function showScripts(form: Form, property: string): void {
  const list = makeList<{ script?: Script }, ScriptView>(form.root.find(`#recheck-${property}`), {
    add: form.say('add.script'),
    empty: form.say('placeholder.scripts'),
    changed: () => form.later(),
    make(container, { script }) {
      const fresh = { name: '', user: '', interpreter: DEFAULT_INTERPRETER, text: '', file: '' };
      if (!script) setTimeout(() => container.find('input').first().trigger('focus'));
      return makeScript(form, container, { ...fresh, ...script }, !script);
    },
  });
  for (const script of form.saved<Script[]>(property)) list.add({ script });
  listPart(form, property, {
    element: list.element,
    value: () => list.views().map((view) => view.value()),
    refresh: () =>
      list
        .views()
        .map((view) => view.refresh())
        .every(Boolean),
    dispose: () => {
      for (const view of list.views()) view.dispose();
    },
  });
}
