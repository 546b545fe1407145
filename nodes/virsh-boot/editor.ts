import { CPU_MODEL, check, checkNetworks, checkRows, FIRMWARE, networkWarning } from '../editor/check.ts';
import { showCode } from '../editor/code-editor.ts';
import { type Column, GUEST_NAME, NETWORK_COLUMNS, type Row } from '../editor/columns.ts';
import { notify } from '../editor/dom.ts';
import type { EditorNode } from '../editor/editor-node.ts';
import { nodeEditor } from '../editor/node-editor.ts';
import { showRows } from '../editor/rows.ts';
import { reasonOf } from '../editor/rules.ts';
import { ask } from '../editor/server.ts';
import { sayOf } from '../editor/words.ts';
import { checkDomain } from './editor-domain.ts';

const MEMORY_MIB: [number, number] = [64, Number.POSITIVE_INFINITY];
const VCPU_COUNT: [number, number] = [1, 1024];

function guestColumns(node: EditorNode): Column[] {
  const size = (key: string, whole: [number, number]): Column => ({
    key,
    own: `label.${key}`,
    narrow: true,
    check: (value) => reasonOf(sayOf(node, `label.${key}`), value, { optional: true, whole }),
  });
  const guest: Column = {
    key: 'guest',
    own: 'row.guest',
    check: (value) => reasonOf(sayOf(node, 'row.guest'), value, GUEST_NAME),
  };
  return [guest, size('memory', MEMORY_MIB), size('vcpus', VCPU_COUNT)];
}

export default nodeEditor('virsh-boot', {
  label: () => 'virsh-boot',
  outputLabel: (node) => node._('virsh-boot.output'),
  validate: {
    memory: (node, value) => check(node, 'memory', value, { whole: MEMORY_MIB }),
    vcpus: (node, value) => check(node, 'vcpus', value, { whole: VCPU_COUNT }),
    networks: (node, value) => checkNetworks(node, 'networks', value),
    guests: (node, value) => checkRows(node, 'guests', value, guestColumns(node)),
    template: checkDomain,
    cpu: (node, value) => check(node, 'cpu', value, CPU_MODEL),
    firmware: (node, value) => check(node, 'firmware', value, FIRMWARE),
    timeout: (node, value) => check(node, 'timeout', value, { whole: [1, 86_400] }),
    cloudInit: (node, value) => check(node, 'cloudInit', value, { optional: true, whole: [0, 1440] }),
  },
  prepare(form, node) {
    showRows(form, 'networks', { columns: NETWORK_COLUMNS, add: form.say('add.network'), sortable: true });
    form.warnIf('networks', (rows: Row[]) => networkWarning(node, 'networks', rows));
    const empty = form.say('placeholder.guests');
    showRows(form, 'guests', { columns: guestColumns(node), add: form.say('add.guest'), empty });
    const editor = showCode(form, 'template', 'xml');
    form.root.find('#recheck-template-fill').on('click', async () => {
      try {
        const { template = '' } = await ask<{ template: string }>('GET', 'domain-template');
        editor.setValue(template, -1);
      } catch (error) {
        notify((error as Error).message, 'error');
      }
    });
  },
});
