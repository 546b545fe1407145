import { check, checkReferences } from '../editor/check.ts';
import { GUEST_NAME, VARIABLE_NAME } from '../editor/columns.ts';
import { nodeEditor } from '../editor/node-editor.ts';
import { showReferences } from '../editor/references.ts';

export default nodeEditor<{ guest: string }>('clone-image', {
  label: (node) => node._('clone-image.called', { guest: node.guest }),
  outputLabel: (node) => node._('clone-image.output'),
  validate: {
    image: (node, value) => check(node, 'image', value, { config: 'vm-image' }),
    hosts: (node, value) => checkReferences(node, 'hosts', value, 'worker-host'),
    guest: (node, value) => check(node, 'guest', value, GUEST_NAME),
    addressEnv: (node, value) => check(node, 'addressEnv', value, { optional: true, ...VARIABLE_NAME }),
    wait: (node, value) => check(node, 'wait', value, { whole: [1, 10_080] }),
  },
  prepare: (form) => showReferences(form, 'hosts', 'worker-host'),
});
