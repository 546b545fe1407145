/**
 * Builds the package: compiles lib/ and nodes/ to dist/, lays the other files of each node type out where Node-RED looks
 * for them, adds the scripts that a worker or a web server is set up with, and copies flows/ to examples/.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { helpWithMessages } from './help.ts';

const root = join(import.meta.dirname, '..');
const at = (...parts: string[]) => join(root, ...parts);

/** Where Node-RED looks for a node type's files, beside its compiled `node.js`, by their name in nodes/<type>/. */
const NODE_FILES: Record<string, (type: string) => string> = {
  'editor.html': () => 'node.html',
  'help.html': () => 'locales/en-US/node.html',
  'locale.json': () => 'locales/en-US/node.json',
  'icon.svg': (type) => `icons/${type}.svg`,
};

for (const folder of ['dist', 'examples']) rmSync(at(folder), { recursive: true, force: true });
execFileSync(process.execPath, [at('node_modules', 'typescript', 'bin', 'tsc'), '-p', at('tsconfig.build.json')], {
  stdio: 'inherit',
});
for (const type of readdirSync(at('nodes'))) {
  if (!existsSync(at('nodes', type, 'node.ts'))) continue;
  for (const [file, place] of Object.entries(NODE_FILES)) {
    cpSync(at('nodes', type, file), at('dist', 'nodes', type, place(type)));
  }
  // What a node accepts and sends is described once, for the help and for docs/messages.md.
  const help = at('dist', 'nodes', type, NODE_FILES['help.html']!(type));
  writeFileSync(help, helpWithMessages(type, readFileSync(help, 'utf8')));
}
for (const file of readdirSync(at('nodes', 'editor'))) {
  if (file.endsWith('.html')) cpSync(at('nodes', 'editor', file), at('dist', 'nodes', 'editor', file));
}
cpSync(at('nodes', 'editor', 'locale.json'), at('dist', 'nodes', 'editor', 'locales', 'en-US', 'base.json'));
// Files that the library reads as they are (style sheets, sample patchsets).
cpSync(at('lib'), at('dist', 'lib'), { recursive: true, filter: (source) => !source.endsWith('.ts') });
// For users who have the package and no checkout; a copy can be run as the original can.
for (const file of ['setup-worker', 'nginx.conf']) cpSync(at('scripts', file), at('dist', 'scripts', file));
cpSync(at('flows'), at('examples'), { recursive: true });
