/**
 * Builds the package: compiles lib/ and nodes/ to dist/, lays the other files of each node type out where Node-RED looks
 * for them, and bundles the editor's scripts to resources/. Adds the scripts that a worker or a web server is set up with,
 * and copies flows/ to examples/.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { helpWithMessages } from './help.ts';

const root = join(import.meta.dirname, '..');
const at = (...parts: string[]) => join(root, ...parts);
const manifest = JSON.parse(readFileSync(at('package.json'), 'utf8')) as { name: string };

/** Where Node-RED looks for a node type's files, beside its compiled `node.js`, by their name in nodes/<type>/. */
const NODE_FILES: Record<string, (type: string) => string> = {
  'editor.html': () => 'node.html',
  'help.html': () => 'locales/en-US/node.html',
  'locale.json': () => 'locales/en-US/node.json',
  'icon.svg': (type) => `icons/${type}.svg`,
};

for (const folder of ['dist', 'examples', 'resources']) rmSync(at(folder), { recursive: true, force: true });
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
// The editor's plugin page: the look and the templates of all forms, and the script that it loads before the node types.
buildSync({
  entryPoints: [at('nodes', 'editor', 'index.ts')],
  outfile: at('resources', 'editor.js'),
  bundle: true,
  format: 'iife',
  target: 'es2022',
  charset: 'utf8',
});
const editorFile = (name: string): string => readFileSync(at('nodes', 'editor', name), 'utf8');
mkdirSync(at('dist', 'nodes', 'editor'), { recursive: true });
writeFileSync(
  at('dist', 'nodes', 'editor', 'plugin.html'),
  `<style>\n${editorFile('form.css')}${editorFile('parts.css')}</style>\n${editorFile('connection.html')}` +
    `<script src="resources/${manifest.name}/editor.js"></script>\n`,
);
cpSync(at('nodes', 'editor', 'locale.json'), at('dist', 'nodes', 'editor', 'locales', 'en-US', 'plugin.json'));
// Files that the library reads as they are (style sheets, sample patchsets).
cpSync(at('lib'), at('dist', 'lib'), { recursive: true, filter: (source) => !source.endsWith('.ts') });
// For users who have the package and no checkout; a copy can be run as the original can.
for (const file of ['setup-worker', 'nginx.conf']) cpSync(at('scripts', file), at('dist', 'scripts', file));
cpSync(at('flows'), at('examples'), { recursive: true });
