import { check, checkRows, checkTicked } from '../editor/check.ts';
import { PATTERN_COLUMNS } from '../editor/columns.ts';
import type { Form } from '../editor/form.ts';
import { nodeEditor } from '../editor/node-editor.ts';
import { showRows } from '../editor/rows.ts';
import { press } from '../editor/server.ts';

/** Shows a setting that is one of some choices or a number; the labels are `choice.<choice>` and `choice.number`. */
function showChoiceOrNumber(form: Form, property: string, selector: string, choices: string[]): void {
  const field = form.root.find(selector);
  const types = [
    ...choices.map((value) => ({ value, label: form.say(`choice.${value}`), hasValue: false })),
    { value: 'number', label: form.say('choice.number') },
  ];
  const saved = String(form.node[property] ?? '');
  const isChoice = choices.includes(saved);
  field.val(isChoice ? '' : saved);
  field.typedInput({ types, default: 'number' }).typedInput('type', isChoice ? saved : 'number');
  form.part(property, {
    element: field,
    value: () => {
      const type = field.typedInput('type');
      return type === 'number' ? field.typedInput('value').trim() : type;
    },
  });
}

export default nodeEditor<{ projects: { pattern: string }[] }>('gerrit-events', {
  label: ({ projects }) =>
    projects
      .map((row) => row.pattern)
      .filter(Boolean)
      .join(', ') || 'gerrit-events',
  outputLabel: (node) => node._('gerrit-events.output'),
  press: (node) => press(node, 'POST', 'run'),
  validate: {
    server: (node, value) => check(node, 'server', value, { config: 'gerrit-server', when: { source: 'stream' } }),
    onPatchset: (node) => checkTicked(node, ['onPatchset', 'onRecheck', 'onMerged', 'onRefUpdated']),
    projects: (node, value) => checkRows(node, 'projects', value, PATTERN_COLUMNS, 1),
    branches: (node, value) => checkRows(node, 'branches', value, PATTERN_COLUMNS),
    recheck: (node, value) => check(node, 'recheck', value, { optional: true, regex: true, when: { onRecheck: true } }),
    replayFile: (node, value) => check(node, 'replayFile', value, { when: { source: 'replay' } }),
    replayPace: (node, value) =>
      check(node, 'replayPace', value, {
        pattern: /^(recorded|asap|\d+)$/,
        says: 'pace',
        when: { source: 'replay' },
      }),
  },
  prepare(form) {
    const empty = form.say('placeholder.any');
    showRows(form, 'projects', { columns: PATTERN_COLUMNS, add: form.say('add.project') });
    showRows(form, 'branches', { columns: PATTERN_COLUMNS, add: form.say('add.branch'), empty });
    // Four checkboxes, one setting each, share one error message.
    form.part('onPatchset', {
      element: form.root.find('#recheck-triggers'),
      value: () => form.field('onPatchset').prop('checked'),
    });
    showChoiceOrNumber(form, 'replayPace', '#recheck-pace', ['recorded', 'asap']);
    form.showWhen('onRecheck', true, '.recheck-if-recheck').showWhen('source', 'replay', '.recheck-if-replay');
  },
});
