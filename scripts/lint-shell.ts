/** Runs shellcheck on every shell program of the repository: .sh files, and files whose first line names a shell. */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
/** Patchsets of the sandbox's Gerrit: some have faults on purpose, for their builds to find. */
const SAMPLES = 'lib/sandbox/gerrit/model/samples/';

const SHEBANG = /^#! *\/(?:usr\/)?bin\/(?:env +)?(?:ba|da|k)?sh\b/;

function hasShebang(file: string): boolean {
  const bytes = Buffer.alloc(64);
  const handle = openSync(file, 'r');
  readSync(handle, bytes);
  closeSync(handle);
  return SHEBANG.test(bytes.toString('latin1'));
}

// Also what is not tracked yet: it will be.
const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
const files = execFileSync('git', args, { cwd: root, encoding: 'utf8' })
  .split('\0')
  .filter((file) => {
    if (file.startsWith(SAMPLES)) return false;
    const path = join(root, file);
    return statSync(path, { throwIfNoEntry: false })?.isFile() && (file.endsWith('.sh') || hasShebang(path));
  });
const { status, error } = spawnSync('shellcheck', files, { cwd: root, stdio: 'inherit' });
if (error) {
  const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
  console.error(
    isMissing
      ? 'shellcheck is not installed, so the shell programs were not checked. Install the package "shellcheck".'
      : `shellcheck could not be run: ${error.message}`,
  );
}
process.exitCode = status ?? 1;
