import { ABSOLUTE_PATH, CPU_MODEL, check, checkNetworks, FIRMWARE, networkWarning } from '../editor/check.ts';
import { showCode } from '../editor/code-editor.ts';
import { AUTHORIZED_KEYS, NETWORK_COLUMNS, type Row } from '../editor/columns.ts';
import type { EditorNode, Verdict } from '../editor/editor-node.ts';
import { nodeEditor } from '../editor/node-editor.ts';
import { showRows } from '../editor/rows.ts';
import { applies } from '../editor/rules.ts';
import { userDataValidator } from '../editor/template-check.ts';
import { checkParent, showParent } from './editor-parent.ts';
import { checkScripts, showScripts } from './editor-scripts.ts';
import { showWorkers } from './editor-workers.ts';

/** Rule for the name of an image, from which files and guests on a worker are named. */
export const IMAGE_NAME = { pattern: /^[A-Za-z0-9][\w.-]*$/, says: 'imageName' };

const CHECKSUM = /^\s*((sha256:)?[0-9a-f]{64}|(sha512:)?[0-9a-f]{128}|https?:\/\/[^\s/]\S*|file:\/\/\/\S+)\s*$/i;

const checkUserData = userDataValidator();

const DIRECTORY = { source: 'directory' };
const URL_SOURCE = { source: 'url' };
const PARENT = { source: 'parent' };
/** Sources with disk files. */
const FILES = { source: ['url', 'parent', 'directory'] };

const ifParent =
  (validate: (node: EditorNode, value: unknown) => Verdict) =>
  (node: EditorNode, value: unknown): Verdict =>
    !applies(node, PARENT) || validate(node, value);

export default nodeEditor('vm-image', {
  label: () => 'vm-image',
  validate: {
    name: (node, value) => check(node, 'name', value, IMAGE_NAME),
    path: (node, value) => check(node, 'path', value, { ...ABSOLUTE_PATH, when: DIRECTORY }),
    url: (node, value) =>
      check(node, 'url', value, { pattern: /^(https?:\/\/|file:\/\/\/)\S+$/, says: 'imageUrl', when: URL_SOURCE }),
    sha256: (node, value) =>
      check(node, 'sha256', value, { optional: true, pattern: CHECKSUM, says: 'checksum', when: URL_SOURCE }),
    diskSize: (node, value) => check(node, 'diskSize', value, { optional: true, whole: [1, 65_536], when: URL_SOURCE }),
    renew: (node, value) => check(node, 'renew', value, { optional: true, whole: [1, 3650], when: URL_SOURCE }),
    parent: (node, value) => checkParent(node, 'parent', value),
    scripts: ifParent((node, value) => checkScripts(node, 'scripts', value)),
    memory: (node, value) => check(node, 'memory', value, { whole: [64, Number.POSITIVE_INFINITY], when: PARENT }),
    vcpus: (node, value) => check(node, 'vcpus', value, { whole: [1, 1024], when: PARENT }),
    networks: ifParent((node, value) => checkNetworks(node, 'networks', value)),
    userData: ifParent((node, value) => checkUserData(node, 'userData', value)),
    authorizedKeys: (node, value) => check(node, 'authorizedKeys', value, { ...AUTHORIZED_KEYS, when: PARENT }),
    timeout: (node, value) => check(node, 'timeout', value, { whole: [1, 1440], when: PARENT }),
    cloudInit: (node, value) => check(node, 'cloudInit', value, { optional: true, whole: [0, 1440], when: PARENT }),
    cpu: (node, value) => check(node, 'cpu', value, { ...CPU_MODEL, when: FILES }),
    firmware: (node, value) => check(node, 'firmware', value, { ...FIRMWARE, when: FILES }),
    loginUser: (node, value) => check(node, 'loginUser', value, { pattern: /^[a-z_][a-z0-9_-]*$/, says: 'userName' }),
  },
  prepare(form, node) {
    for (const source of ['directory', 'url', 'parent']) form.showWhen('source', source, `.recheck-if-${source}`);
    form.showWhen('source', ['url', 'parent'], '.recheck-if-disk');
    form.showWhen('source', ['url', 'parent', 'directory'], '.recheck-if-files');
    showParent(form, 'parent');
    showScripts(form, 'scripts');
    showRows(form, 'networks', { columns: NETWORK_COLUMNS, add: form.say('add.network'), sortable: true });
    form.warnIf('networks', (rows: Row[]) => networkWarning(node, 'networks', rows));
    showCode(form, 'userData', 'yaml');
    showWorkers(form);
  },
});
