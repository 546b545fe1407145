import { check, checkRows } from '../editor/check.ts';
import { showCode } from '../editor/code-editor.ts';
import { ENV_COLUMNS, NAME_COLUMN } from '../editor/columns.ts';
import { nodeEditor } from '../editor/node-editor.ts';
import { showRows } from '../editor/rows.ts';
import { showSecrets } from './editor-secrets.ts';
import { variablesFor } from './editor-variables.ts';

interface Settings {
  target: 'guest' | 'host';
  guests: string;
  host: string;
  secretNames: string[];
}

export default nodeEditor<Settings>('ssh-exec', {
  label(node) {
    const host = node.target === 'host' && RED.nodes.node(node.host);
    if (host) return RED.utils.getNodeLabel(host, 'ssh-exec');
    return node._('ssh-exec.called', { guests: node.guests || node._('ssh-exec.everyGuest') });
  },
  outputLabel: (node, index) => node._(index === 0 ? 'ssh-exec.output' : 'ssh-exec.lines'),
  validate: {
    guests: (node, value) =>
      check(node, 'guests', value, {
        optional: true,
        pattern: /^\s*[a-z][a-z0-9-]*(\s*,\s*[a-z][a-z0-9-]*)*\s*$/,
        says: 'guestNames',
        when: { target: 'guest' },
      }),
    host: (node, value) => check(node, 'host', value, { config: 'ssh-host', when: { target: 'host' } }),
    script: (node, value) => check(node, 'script', value, {}),
    interpreter: (node, value) => check(node, 'interpreter', value, { pattern: /^\//, says: 'interpreter' }),
    user: (node, value) =>
      check(node, 'user', value, { optional: true, pattern: /^[a-z_][a-z0-9_.-]*$/i, says: 'userName' }),
    env: (node, value) => checkRows(node, 'env', value, ENV_COLUMNS),
    secretNames: (node, value) => {
      const rows = (value as string[] | undefined)?.map((name) => ({ name }));
      return checkRows(node, 'secretNames', rows, [NAME_COLUMN]);
    },
    timeout: (node, value) => check(node, 'timeout', value, { optional: true, whole: [1, 10_080] }),
  },
  prepare(form, node) {
    form.showWhen('target', 'guest', '.recheck-if-guest').showWhen('target', 'host', '.recheck-if-host');
    showCode(form, 'script', 'sh', { groups: variablesFor(node), insert: (name) => `"$${name}"` });
    showRows(form, 'env', { columns: ENV_COLUMNS, add: form.say('add.variable') });
    showSecrets(form, node.secretNames);
  },
});
