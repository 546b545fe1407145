import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';

const SEAL = readFileSync(new URL('../../lib/images/shell/seal.sh', import.meta.url), 'utf8');
const OUTSIDE = /(?<![\w.*}/])\/(etc|var|run|proc|boot|efi|lib|usr)\//g;

export type Files = Record<string, string>;

/** Seals a system that is a folder with these files (`-> TARGET` for a link); returns what is left of it and what was printed. */
export function seal(t: TestContext, files: Files) {
  const root = mkdtempSync(join(tmpdir(), 'seal-'));
  t.after(() => rmSync(root, { recursive: true }));
  const whole = { 'bin/sync': '#!/bin/sh\n', ...files };
  for (const [name, text] of Object.entries(whole)) {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    if (text.startsWith('-> ')) symlinkSync(text.slice(3).replace(/^\//, `${root}/`), path);
    else writeFileSync(path, text);
    if (/^(bin|etc\/init\.d)\//.test(name)) chmodSync(path, 0o755);
  }
  // Other programs of this machine must not be found.
  for (const name of ['awk', 'cat', 'grep', 'ls', 'rm', 'sed']) {
    const from = ['/usr/bin', '/bin'].map((folder) => join(folder, name)).find(existsSync);
    symlinkSync(from!, join(root, 'bin', name));
  }
  // PATH is set; every other absolute path is redirected into the folder. One that was missed would be this machine's own.
  const text = SEAL.replace(/^PATH=\S+ /m, '').replace(OUTSIDE, `${root}/$1/`);
  assert.doesNotMatch(text.replaceAll(`${root}/`, ''), /(?<![\w.*}])\/(?!dev\/null|[/*]|\^| |d')\w+\//);
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', text], {
    env: { PATH: `${root}/bin`, ROOT: root },
    encoding: 'utf8',
    timeout: 20_000,
  });
  assert.deepEqual([status, stderr], [0, '']);
  const is = (name: string): boolean => {
    try {
      return lstatSync(join(root, name)) !== undefined;
    } catch {
      return false;
    }
  };
  return {
    said: stdout,
    /** The files that were removed. */
    gone: Object.keys(whole).filter((name) => !is(name)),
    /** Reads a file. */
    read: (name: string): string => readFileSync(join(root, name), 'utf8'),
    root,
  };
}

/** Returns a systemd with units in these states, and with these unit files. */
export const systemd = (states: Record<string, string> = {}, units: Record<string, string> = {}): Files => ({
  'run/systemd/system/.keep': '',
  'bin/systemctl': `#!/bin/sh
verb=$1
shift
code=1
for unit; do
  case $verb:$unit in
${Object.entries(states)
  .map(([unit, state]) => `  is-enabled:${unit}) echo ${state} && code=0 ;;`)
  .join('\n')}
${Object.entries(units)
  .map(([unit, text]) => `  cat:${unit}) echo '${text}' && code=0 ;;`)
  .join('\n')}
  esac
done
exit $code
`,
});
export const ENABLED = { 'cloud-init-local.service': 'enabled', 'cloud-init.service': 'enabled' };
export const KEYS: Files = Object.fromEntries(
  ['rsa', 'ecdsa', 'ed25519'].flatMap((type) => [
    [`etc/ssh/ssh_host_${type}_key`, 'private'],
    [`etc/ssh/ssh_host_${type}_key.pub`, 'public'],
  ]),
);
export const CLOUD_INIT: Files = {
  'bin/cloud-init': '#!/bin/sh\n',
  'etc/cloud/cloud.cfg': 'cloud_init_modules:\n  - migrator\n  - ssh\ncloud_final_modules:\n  - scripts_user\n',
};
export const SHARED = /^its guests share its SSH host keys: nothing in it would create new ones/m;
export const goneKeys = ({ gone }: { gone: string[] }): string[] => gone.filter((name) => name in KEYS);
