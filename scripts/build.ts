/**
 * Builds the package: compiles lib/ and nodes/ to dist/, puts what Node-RED looks for beside it and the scripts that a
 * worker or a web server is set up with, copies flows/ to examples/.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const at = (...parts: string[]) => join(root, ...parts);

rmSync(at('dist'), { recursive: true, force: true });
rmSync(at('examples'), { recursive: true, force: true });
execFileSync(process.execPath, [at('node_modules', 'typescript', 'bin', 'tsc'), '-p', at('tsconfig.build.json')], {
  stdio: 'inherit',
});
// Node-RED finds the editor's half of a node, its locales and its icons beside the compiled entry file.
for (const file of readdirSync(at('nodes'))) {
  if (file.endsWith('.html')) cpSync(at('nodes', file), at('dist', 'nodes', file));
}
cpSync(at('nodes', 'locales'), at('dist', 'nodes', 'locales'), { recursive: true });
cpSync(at('icons'), at('dist', 'nodes', 'icons'), { recursive: true });
// Files that the library reads as they are (style sheets, sample patchsets).
cpSync(at('lib'), at('dist', 'lib'), { recursive: true, filter: (source) => !source.endsWith('.ts') });
// For who has the package and no checkout; a copy can be run as the original can.
for (const file of ['setup-worker', 'nginx.conf']) cpSync(at('scripts', file), at('dist', 'scripts', file));
mkdirSync(at('examples'));
for (const file of readdirSync(at('flows'))) cpSync(at('flows', file), at('examples', file));
