import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';

const root = join(import.meta.dirname, '..', '..');

/** Code that keeps to the layers: it uses what the planted files below are about, as far as that is allowed. */
const SOUND = {
  'lib/util/text.ts': 'export const trim = (text: string): string => text.trim();\n',
  'lib/logs/fetch/tar.ts': "import { trim } from '../../util/text.ts';\n\nexport const tar = trim;\n",
  'lib/logs/logs.ts': "import { tar } from './fetch/tar.ts';\n\nexport const logs = tar;\n",
  'lib/builds/build.ts': "import { logs } from '../logs/logs.ts';\n\nexport const build = logs;\n",
  'nodes/shared/shared.ts': "import { build } from '../../lib/builds/build.ts';\n\nexport const shared = build;\n",
  'nodes/ci-jobs/node.ts':
    "import type { NodeAPI } from 'node-red';\nimport { shared } from '../shared/shared.ts';\n\nexport default (_red: NodeAPI): string => shared('');\n",
};

const CYCLE = 'noImportCycles';
const LAYER = 'noRestrictedImports';

/** Files that break a rule, and the rule. */
const PLANTED: [what: string, rule: string, files: Record<string, string>][] = [
  [
    'a cycle',
    CYCLE,
    {
      'lib/ssh/a.ts': "import { b } from './b.ts';\n\nexport const a = (): unknown => b;\n",
      'lib/ssh/b.ts': "import { a } from './a.ts';\n\nexport const b = (): unknown => a;\n",
    },
  ],
  [
    'a cycle of types',
    CYCLE,
    {
      'lib/ssh/a.ts': "import type { B } from './b.ts';\n\nexport type A = B | 1;\n",
      'lib/ssh/b.ts': "import type { A } from './a.ts';\n\nexport type B = { a: A };\n",
    },
  ],
  [
    'an import of a higher folder',
    LAYER,
    { 'lib/util/up.ts': "import { logs } from '../logs/logs.ts';\n\nexport const up = logs;\n" },
  ],
  [
    'an import of a higher folder from a sub-folder',
    LAYER,
    { 'lib/logs/fetch/up.ts': "import { build } from '../../builds/build.ts';\n\nexport const up = build;\n" },
  ],
  ['a type of a higher folder', LAYER, { 'lib/util/up.ts': "export type { build } from '../builds/build.ts';\n" }],
  [
    'an import of a higher folder at run time',
    LAYER,
    { 'lib/util/up.ts': "export const up = (): unknown => import('../builds/build.ts');\n" },
  ],
  [
    "an import of a sibling's inner file",
    LAYER,
    { 'lib/builds/in.ts': "import { tar } from '../logs/fetch/tar.ts';\n\nexport const inner = tar;\n" },
  ],
  [
    "an import of a sibling sub-folder's inner file",
    LAYER,
    {
      'lib/sandbox/worker/in.ts': "import { a } from '../gerrit/model/a.ts';\n\nexport const inner = a;\n",
      'lib/sandbox/gerrit/model/a.ts': 'export const a = 1;\n',
    },
  ],
  [
    'an import of a higher folder from three levels down',
    LAYER,
    { 'lib/sandbox/gerrit/model/up.ts': "import { logs } from '../../../logs/logs.ts';\n\nexport const up = logs;\n" },
  ],
  [
    'an import in a script of lib/ that is not TypeScript',
    LAYER,
    { 'lib/util/up.js': "import { logs } from '../logs/logs.ts';\n\nexport const up = logs;\n" },
  ],
  [
    'a file that is in no folder of lib/',
    LAYER,
    { 'lib/loose.ts': "import { logs } from './logs/logs.ts';\n\nexport const loose = logs;\n" },
  ],
  [
    'a file of lib/ that is too deep for the rules',
    LAYER,
    { 'lib/util/a/b/c/deep.ts': "import { logs } from '../../../../logs/logs.ts';\n\nexport const deep = logs;\n" },
  ],
  [
    "a node's import of a test",
    LAYER,
    { 'nodes/ci-jobs/out.ts': "import { help } from '../../test/support/help.ts';\n\nexport const out = help;\n" },
  ],
  [
    "a sub-folder of a node type's folder",
    LAYER,
    {
      'nodes/ci-jobs/deep/in.ts': "import { shared } from '../../shared/shared.ts';\n\nexport const inner = shared;\n",
    },
  ],
  [
    "a node's import of an inner file of lib/",
    LAYER,
    { 'nodes/ci-jobs/in.ts': "import { tar } from '../../lib/logs/fetch/tar.ts';\n\nexport const inner = tar;\n" },
  ],
  [
    "a node's import of another node's file",
    LAYER,
    { 'nodes/ssh-exec/in.ts': "import other from '../ci-jobs/node.ts';\n\nexport const inner = other;\n" },
  ],
  [
    'an import of a node type in nodes/shared',
    LAYER,
    { 'nodes/shared/in.ts': "import other from '../ci-jobs/node.ts';\n\nexport const inner = other;\n" },
  ],
  [
    'an import of Node-RED in lib/',
    LAYER,
    { 'lib/builds/red.ts': "import type { NodeAPI } from 'node-red';\n\nexport type Red = NodeAPI;\n" },
  ],
  [
    'an import of a part of Node-RED in a sub-folder of lib/',
    LAYER,
    { 'lib/logs/fetch/red.ts': "import { log } from '@node-red/util';\n\nexport const red = log;\n" },
  ],
  [
    'an import of nodes/ in lib/',
    LAYER,
    { 'lib/builds/red.ts': "import { shared } from '../../nodes/shared/shared.ts';\n\nexport const red = shared;\n" },
  ],
];

describe('the layers are lint rules', () => {
  let dir: string;
  const put = (files: Record<string, string>): void => {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, file)), { recursive: true });
      writeFileSync(join(dir, file), text);
    }
  };
  const lint = (): { status: number | null; said: string } => {
    const argv = ['lint', '--vcs-enabled=false', '.'];
    const { status, stdout, stderr } = spawnSync(join(root, 'node_modules/.bin/biome'), argv, {
      cwd: dir,
      encoding: 'utf8',
    });
    return { status, said: `${stdout}${stderr}` };
  };

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'recheck-layers-'));
    for (const file of ['biome.json', 'biome.layers.json']) copyFileSync(join(root, file), join(dir, file));
    put(SOUND);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  test('code that keeps to them passes', () => {
    const { status, said } = lint();
    assert.equal(status, 0, said);
  });

  for (const [what, rule, files] of PLANTED)
    test(`${what} fails`, (t) => {
      put(files);
      t.after(() => {
        for (const file of Object.keys(files)) rmSync(join(dir, file));
      });
      const { status, said } = lint();
      assert.notEqual(status, 0);
      assert.match(said, new RegExp(`${Object.keys(files)[0]}:\\d+:\\d+ lint/\\w+/${rule}`));
    });
});

test('imports that Biome does not see are not allowed', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-layers-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const check = (text: string): string => {
    mkdirSync(join(dir, 'lib', 'util'), { recursive: true });
    writeFileSync(join(dir, 'lib', 'util', 'up.ts'), text);
    return spawnSync(process.execPath, [join(root, 'scripts', 'layers.ts'), '--check', dir], { encoding: 'utf8' })
      .stderr;
  };
  assert.equal(check("import { a } from './a.ts';\n\nexport const b = a;\n"), '');
  const says = /^lib\/util\/up\.ts: import with an import statement/;
  assert.match(check("export type Logs = import('../logs/logs.ts').Logs;\n"), says);
  assert.match(check("export const logs = require('../logs/logs.ts');\n"), says);
  assert.match(check('/// <reference types="node-red" />\n'), says);
});

test('every folder of lib/ has its place', () => {
  const { overrides } = JSON.parse(readFileSync(join(root, 'biome.layers.json'), 'utf8'));
  const known = new Set(
    overrides.flatMap(({ includes }: { includes: string[] }) => includes.map((glob) => glob.split('/')[1])),
  );
  const missing = readdirSync(join(root, 'lib')).filter((folder) => !known.has(folder));
  assert.deepEqual(missing, []);
});
