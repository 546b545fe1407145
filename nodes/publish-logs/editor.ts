import { ABSOLUTE_PATH, check, checkRows } from '../editor/check.ts';
import { type Column, GUEST_NAME } from '../editor/columns.ts';
import type { EditorNode } from '../editor/editor-node.ts';
import { nodeEditor } from '../editor/node-editor.ts';
import { showRows } from '../editor/rows.ts';
import { type Rule, reasonOf } from '../editor/rules.ts';
import { sayOf } from '../editor/words.ts';

function fileColumns(node: EditorNode): Column[] {
  const column = (key: string, rule: Rule): Column => ({
    key,
    own: `row.${key}`,
    check: (value) => reasonOf(sayOf(node, `row.${key}`), value, rule),
  });
  return [
    { ...column('guest', { optional: true, ...GUEST_NAME }), narrow: true },
    column('path', { pattern: /^[^\0]+$/, says: 'path' }),
    column('dir', { optional: true, pattern: /^(?!\/)(?!(.*\/)?\.\.(\/|$))/, says: 'within' }),
  ];
}

export default nodeEditor('publish-logs', {
  label: () => 'publish-logs',
  outputLabel: (node) => node._('publish-logs.output'),
  validate: {
    files: (node, value) => checkRows(node, 'files', value, fileColumns(node)),
    root: (node, value) => check(node, 'root', value, { optional: true, ...ABSOLUTE_PATH }),
    url: (node, value) => check(node, 'url', value, { optional: true, pattern: /^https?:\/\/[^\s?#]+$/, says: 'url' }),
    days: (node, value) => check(node, 'days', value, { optional: true, whole: [1, 36_500] }),
    gigabytes: (node, value) => check(node, 'gigabytes', value, { optional: true, whole: [1, 1_000_000] }),
    branches: (node, value) => check(node, 'branches', value, { optional: true, whole: [1, 1000] }),
  },
  prepare(form, node) {
    const empty = form.say('placeholder.files');
    showRows(form, 'files', { columns: fileColumns(node), add: form.say('add.file'), empty });
  },
});
