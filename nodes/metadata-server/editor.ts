import { isLoopbackHost } from '../../lib/util/loopback.ts';
import { check } from '../editor/check.ts';
import { showCode } from '../editor/code-editor.ts';
import { AUTHORIZED_KEYS } from '../editor/columns.ts';
import type { EditorNode, Verdict } from '../editor/editor-node.ts';
import { nodeEditor } from '../editor/node-editor.ts';
import { fromEnvironment } from '../editor/rules.ts';
import { checkTemplate, userDataValidator } from '../editor/template-check.ts';
import { upstreamOf } from '../editor/upstream.ts';
import { sayOf } from '../editor/words.ts';

/** Tags that user-data may contain. */
const TAGS = [
  'job',
  'guest',
  'build',
  'pipeline',
  'change.project',
  'change.branch',
  'change.number',
  'change.patchset',
];

const checkUserData = userDataValidator();

/** Checks how guests reach the server: guests on another machine cannot reach an address of this one. */
function checkListening(node: EditorNode, way: unknown): Verdict {
  if (way !== 'listen') return true;
  for (const { type, hosts } of upstreamOf(node)) {
    if (type !== 'clone-image') continue;
    for (const worker of ((hosts as string[] | undefined) ?? []).map((id) => RED.nodes.node(id))) {
      const host = worker?.['kind'] === 'libvirt' && RED.nodes.node(worker['host'])?.['host'];
      if (!worker || !host || fromEnvironment(host) || isLoopbackHost(String(host))) continue;
      return sayOf(node, 'reason.elsewhere', { worker: RED.utils.getNodeLabel(worker, worker.id) });
    }
  }
  return true;
}

const WHEN = { way: 'listen' };

export default nodeEditor('metadata-server', {
  label: () => 'metadata-server',
  outputLabel: (node) => node._('metadata-server.output'),
  validate: {
    hostname: (node, value) => checkTemplate(node, 'hostname', value),
    userData: (node, value) => checkUserData(node, 'userData', value),
    authorizedKeys: (node, value) => check(node, 'authorizedKeys', value, AUTHORIZED_KEYS),
    vendorData: (node, value) => checkUserData(node, 'vendorData', value),
    way: checkListening,
    listenAddress: (node, value) =>
      check(node, 'listenAddress', value, {
        optional: true,
        pattern: /^\d{1,3}(\.\d{1,3}){3}$/,
        says: 'address',
        when: WHEN,
      }),
    listenPort: (node, value) => check(node, 'listenPort', value, { optional: true, whole: [1, 65_535], when: WHEN }),
  },
  prepare(form) {
    form.showWhen('way', 'listen', '.recheck-listen');
    const items = TAGS.map((name) => ({ text: `{{${name}}}`, title: form.say(`field.${name.replace('.', '-')}`) }));
    showCode(form, 'userData', 'yaml', { groups: [{ title: form.say('hint.offer'), items }] });
  },
});
