import { ABSOLUTE_PATH, check } from '../editor/check.ts';
import type { EditorNode, Verdict } from '../editor/editor-node.ts';
import type { Form } from '../editor/form.ts';
import { nodeEditor } from '../editor/node-editor.ts';
import { current } from '../editor/rules.ts';
import { makeCheckButton } from './editor-check.ts';

/** Default path of a libvirt worker. */
const DEFAULT_PATH = '/ci/recheck';

const WHEN = { kind: 'libvirt' };

/** Checks where a worker stores images and clones: a ZFS dataset or a path, which is optional for the sandbox. */
function checkPath(node: EditorNode, value: unknown): Verdict {
  if (current(node, 'kind') === 'sandbox') return check(node, 'path', value, { optional: true, ...ABSOLUTE_PATH });
  const dataset = { pattern: /^[A-Za-z][\w.-]*(\/[\w.:-]+)*$/, says: 'dataset' };
  const path = { pattern: /^\/[^/\n]+(\/[^/\n]+)*\/?$/, says: 'absolute' };
  return check(node, 'path', value, current(node, 'storage') === 'zfs' ? dataset : path);
}

/** Moves the path to its place for the kind of worker, and sets the default of that kind. */
function showPath(form: Form): void {
  const row = form.root.find('#recheck-place');
  const beside = row.prev();
  const path = form.field('path');
  form.field('kind').on('change', () => {
    const isSandbox = form.value('kind') === 'sandbox';
    if (isSandbox && path.val() === DEFAULT_PATH) path.val('');
    if (!isSandbox && path.val() === '') path.val(DEFAULT_PATH);
  });
  form.onChange(() => {
    const isSandbox = form.value('kind') === 'sandbox';
    const storage = form.value<string>('storage');
    // The sandbox's default folder rarely needs to be changed: the row goes to the folded section.
    if (isSandbox) row.prependTo(form.root.find('details.recheck-more').first()).insertAfter(row.siblings('summary'));
    else row.insertAfter(beside);
    row.find('.recheck-directory').prop('hidden', isSandbox || storage !== 'directory');
    path.attr('placeholder', form.say(`placeholder.${isSandbox ? 'path' : storage}`));
    // Node-RED labels this option "none".
    form.field('host').find('option[value="_ADD_"]').text(form.say('kind.here'));
  });
}

export default nodeEditor<{ kind: string }>('worker-host', {
  label: (node) => node._(`worker-host.kind.${node.kind}`),
  validate: {
    host: (node, value) => check(node, 'host', value, { optional: true, config: 'ssh-host', when: WHEN }),
    path: checkPath,
    slots: (node, value) => check(node, 'slots', value, { whole: [1, 1000] }),
    memory: (node, value) => check(node, 'memory', value, { optional: true, whole: [0, 10_000_000], when: WHEN }),
    load: (node, value) =>
      check(node, 'load', value, { optional: true, pattern: /^\d+(\.\d+)?$/, says: 'load', when: WHEN }),
    uri: (node, value) =>
      check(node, 'uri', value, { optional: true, pattern: /^[a-z][a-z0-9+]*:\S*$/, says: 'uri', when: WHEN }),
  },
  prepare(form) {
    form.showWhen('kind', 'libvirt', '.recheck-libvirt').showWhen('kind', 'sandbox', '.recheck-sandbox');
    showPath(form);
    makeCheckButton(form);
  },
});
