/**
 * Writes biome.layers.json: which folder may import which, as lint rules. With `--check` it only tells whether the file
 * is what it would write.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const FILE = join(ROOT, 'biome.layers.json');

/** The folders of lib/, lowest first: each may import those before it. */
const LAYERS = [
  'util',
  'model',
  'errors',
  'template',
  'ssh',
  'worker',
  'storage',
  'libvirt',
  'metadata',
  'sandbox',
  'gerrit',
  'logs',
  'guests',
  'images',
  'store',
  'builds',
];

/** How deep folders are nested below lib/ and nodes/. */
const MAX_DEPTH = 3;

interface Pattern {
  group: string[];
  message: string;
}

const restrict = (includes: string[], patterns: Pattern[]) => ({
  includes,
  linter: { rules: { style: { noRestrictedImports: { level: 'error', options: { patterns } } } } },
});

const NODE_RED: Pattern = {
  group: ['node-red', 'node-red/**', '@node-red/**', 'node-red-*', '@types/node-red'],
  message: 'Only nodes/ knows Node-RED.',
};

const PRIVATE = 'Import what the folder offers at its top level; its sub-folders are private.';

/** The start of an import that leads so many folders up. */
const up = (levels: number): string => '../'.repeat(levels);

/**
 * The rules of a folder's files that are `depth` levels below lib/: imports are relative, so each level has its own. Sub-folders
 * are private at each level: from lib/sandbox/worker/, so is `../gerrit/model/`.
 */
function rulesOf(layer: string, depth: number) {
  const above = LAYERS.slice(LAYERS.indexOf(layer) + 1);
  const patterns: Pattern[] = [
    NODE_RED,
    { group: [`${up(depth + 1)}**`], message: 'lib/ imports nothing from outside of lib/.' },
  ];
  for (let levels = 1; levels <= depth; levels++)
    patterns.push({ group: [`${up(levels)}*/*/**`, `!${up(levels + 1)}**`], message: PRIVATE });
  if (above.length > 0)
    patterns.push({
      group: above.map((name) => `${up(depth)}${name}/**`),
      message: `lib/${layer} may import only the folders before it in scripts/layers.ts.`,
    });
  const folder = `lib/${layer}/${'*/'.repeat(depth - 1)}`;
  return restrict([`${folder}*.ts`, `${folder}*.js`], patterns);
}

/** What files of a node type and of what they share must not import. */
const NODES: Pattern[] = [
  { group: ['../../lib/*/*/**', '../shared/*/**', '../editor/*/**', '!../editor/types/**'], message: PRIVATE },
  {
    group: ['../../**', '!../../lib/**'],
    message: 'A node imports lib/ and nodes/ only: tests, scripts and benchmarks are not in the package.',
  },
];

const EVERYTHING: Pattern['group'] = ['*', '**'];

const config = {
  $schema: './node_modules/@biomejs/biome/configuration_schema.json',
  linter: {
    rules: { suspicious: { noImportCycles: { level: 'error', options: { ignoreTypes: false } } } },
  },
  overrides: [
    ...LAYERS.flatMap((layer) => Array.from({ length: MAX_DEPTH }, (_, level) => rulesOf(layer, level + 1))),
    restrict(
      ['lib/*.ts', `lib/${'*/'.repeat(MAX_DEPTH + 1)}**/*.ts`],
      [{ group: EVERYTHING, message: 'A file of lib/ is in one of its folders, and at most three levels deep.' }],
    ),
    restrict(
      ['nodes/*/*.ts', '!nodes/shared/*.ts', '!nodes/editor/*.ts'],
      [
        ...NODES,
        {
          group: ['../*/**', '!../../**', '!../shared/**', '!../editor/**'],
          message: "A node type's folder is private: share through nodes/shared/.",
        },
      ],
    ),
    restrict(
      // The bundle's entry names the editor half of each type.
      ['nodes/shared/*.ts', 'nodes/editor/*.ts', '!nodes/editor/index.ts'],
      [
        ...NODES,
        {
          group: ['../*/**', '!../../**', '!../shared/**'],
          message: 'nodes/shared/ and nodes/editor/ serve the node types and import none of them.',
        },
      ],
    ),
    restrict(
      ['nodes/*.ts', 'nodes/*/*/**/*.ts', '!nodes/editor/types/**'],
      [{ group: EVERYTHING, message: 'A file of nodes/ is in the folder of a node type, in shared/ or in editor/.' }],
    ),
  ],
};

/** Imports that the rules above do not see: `import('…')` as a type, `require` and references. */
const HIDDEN_IMPORT = /\b(?:import|require)\s*\(\s*['"`]|^\/\/\/ <reference (?:types|path)=/m;

const text = `${JSON.stringify(config, undefined, 2)}\n`;
if (process.argv.includes('--check')) check(process.argv[3] ?? ROOT);
else writeFileSync(FILE, text);

function check(root: string): void {
  const complain = (what: string): void => {
    console.error(what);
    process.exitCode = 1;
  };
  if (readFileSync(FILE, 'utf8') !== text)
    complain('biome.layers.json is not up to date: run "node scripts/layers.ts".');
  for (const folder of ['lib', 'nodes'])
    for (const file of globSync(`${folder}/**/*.{ts,js}`, { cwd: root })) {
      if (file.startsWith('nodes/editor/types/')) continue;
      if (HIDDEN_IMPORT.test(readFileSync(join(root, file), 'utf8')))
        complain(`${file}: import with an import statement, which the rules of the layers see.`);
    }
}
