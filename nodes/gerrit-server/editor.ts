import { check, checkKey } from '../editor/check.ts';
import { connectionValidators, showConnection } from '../editor/connection.ts';
import { nodeEditor } from '../editor/node-editor.ts';

/** The connection settings do not apply to the sandbox. */
const WHEN = { kind: 'ssh' };

interface Settings {
  kind: 'ssh' | 'sandbox';
  host: string;
  port: string;
  user: string;
}

export default nodeEditor<Settings>('gerrit-server', {
  label(node) {
    if (node.kind === 'sandbox') return node._('gerrit-server.kind.sandbox');
    return node.host ? `${node.user}@${node.host}:${node.port}` : 'gerrit-server';
  },
  validate: {
    ...connectionValidators(WHEN),
    ciName: (node, value) => check(node, 'ciName', value, { when: WHEN }),
    privateKey: (node, value) => checkKey(node, value, WHEN),
  },
  prepare(form) {
    showConnection(form);
    form.showWhen('kind', 'sandbox', '.recheck-if-sandbox').showWhen('kind', 'ssh', '.recheck-if-ssh');
  },
});
