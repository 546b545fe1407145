/**
 * Writes biome.layers.json: which folder may import which, as lint rules. With `--check` it only tells whether the file
 * is what it would write.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = join(import.meta.dirname, '..', 'biome.layers.json');

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
  group: ['node-red', 'node-red/**', '@node-red/**', 'node-red-*'],
  message: 'Only nodes/ knows Node-RED.',
};

/** The rules of a folder's files that are `depth` levels below lib/: imports are relative, so each level has its own. */
function rulesOf(layer: string, depth: number) {
  const up = '../'.repeat(depth);
  const above = LAYERS.slice(LAYERS.indexOf(layer) + 1);
  const patterns: Pattern[] = [
    NODE_RED,
    { group: [`${up}../**`], message: 'lib/ imports nothing from outside of lib/.' },
    { group: [`${up}*/*/**`], message: 'Import what the folder offers at its top level; its sub-folders are private.' },
  ];
  if (above.length > 0)
    patterns.push({
      group: above.map((name) => `${up}${name}/**`),
      message: `lib/${layer} may import only the folders before it in scripts/layers.ts.`,
    });
  return restrict([`lib/${layer}/${'*/'.repeat(depth - 1)}*.ts`], patterns);
}

const config = {
  $schema: './node_modules/@biomejs/biome/configuration_schema.json',
  linter: {
    rules: { suspicious: { noImportCycles: { level: 'error', options: { ignoreTypes: false } } } },
  },
  overrides: [
    ...LAYERS.flatMap((layer) => Array.from({ length: MAX_DEPTH }, (_, level) => rulesOf(layer, level + 1))),
    restrict(
      ['nodes/*/*.ts', '!nodes/shared/*.ts', '!nodes/editor/*.ts'],
      [
        {
          group: ['../../lib/*/*/**'],
          message: 'Import what the folder offers at its top level; its sub-folders are private.',
        },
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
        {
          group: ['../../lib/*/*/**'],
          message: 'Import what the folder offers at its top level; its sub-folders are private.',
        },
        {
          group: ['../*/**', '!../../**', '!../shared/**'],
          message: 'nodes/shared/ serves the node types and imports none of them.',
        },
      ],
    ),
  ],
};

const text = `${JSON.stringify(config, undefined, 2)}\n`;
if (!process.argv.includes('--check')) writeFileSync(FILE, text);
else if (readFileSync(FILE, 'utf8') !== text) {
  console.error('biome.layers.json is not up to date: run "node scripts/layers.ts".');
  process.exitCode = 1;
}
