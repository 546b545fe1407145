import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

const FLOWS = join(import.meta.dirname, '../../flows');

interface Script {
  flow: string;
  name: string;
  interpreter: string;
  text: string;
}

/** Every script of the shipped flows: those of ssh-exec, and those that make an image. */
const scripts: Script[] = readdirSync(FLOWS)
  .filter((name) => name.endsWith('.json'))
  .flatMap((flow) =>
    (JSON.parse(readFileSync(join(FLOWS, flow), 'utf8')) as Record<string, unknown>[]).flatMap((node): Script[] => {
      const name = String(node['name'] ?? node['type']);
      const own = { flow, name, interpreter: String(node['interpreter']), text: String(node['script'] ?? '') };
      const steps = (node['scripts'] ?? []) as Omit<Script, 'flow'>[];
      return [own, ...steps.map((step) => ({ ...step, flow }))].filter(({ text }) => text !== '');
    }),
  );

/** Programs of a stock guest. apt-get's files are the times that it fails, with what it says; git is installed by it. */
const PROGRAMS: Record<string, string> = {
  sudo: 'exec "$@"',
  sleep: 'echo "$*" >>"$STATE/slept"',
  'apt-get': `
echo "$*" >>"$STATE/apt"
case " $* " in
  *' update '*)
    left=$(cat "$STATE/locked")
    [ "$left" -gt 0 ] || exit 0
    echo $((left - 1)) >"$STATE/locked"
    echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 42 (apt-get)' >&2
    exit 100
    ;;
  *' install '*)
    # As apt does when another holds dpkg's lock and it was not told to wait.
    case $* in *DPkg::Lock::Timeout=300*) ;; *) exit 100 ;; esac
    [ ! -e "$STATE/no-package" ] || exit 100
    printf '#!/bin/sh\\necho "$*" >>"$STATE/git"\\n' >"$BIN/git"
    chmod +x "$BIN/git"
    ;;
esac`,
};
const ORIGINALS = ['cat', 'chmod', 'mkdir'];

/** Runs a script in a guest whose apt is locked for so many tries. */
function run(t: TestContext, { interpreter, text }: Script, lockedTries: number, marks: string[] = []) {
  const dir = mkdtempSync(join(tmpdir(), 'flow-script-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const bin = join(dir, 'bin');
  mkdirSync(bin);
  const programs = { ...PROGRAMS, ...Object.fromEntries(ORIGINALS.map((name) => [name, `exec /bin/${name} "$@"`])) };
  for (const [name, body] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  writeFileSync(join(dir, 'locked'), `${lockedTries}`);
  for (const mark of marks) writeFileSync(join(dir, mark), '');
  writeFileSync(join(dir, 'script'), text);
  mkdirSync(join(dir, 'src'));
  const [shell = '', ...flags] = interpreter.split(' ');
  const { status, stderr } = spawnSync(shell, [...flags, join(dir, 'script')], {
    cwd: dir,
    env: {
      PATH: bin,
      BIN: bin,
      STATE: dir,
      GIT_URL: 'https://review.example.com/p',
      GERRIT_REF: 'refs/changes/01/1/1',
    },
    encoding: 'utf8',
    timeout: 30_000,
  });
  const read = (name: string): string[] =>
    existsSync(join(dir, name)) ? readFileSync(join(dir, name), 'utf8').trim().split('\n') : [];
  return { status, stderr, apt: read('apt'), git: read('git'), slept: read('slept').map(Number) };
}

const installing = scripts.filter(({ text }) => text.includes('apt-get'));

test('shipped scripts that install packages wait for an apt that has been running since boot', (t) => {
  assert.ok(installing.length > 0);
  for (const script of installing) {
    const title = `${script.flow}: ${script.name}`;
    for (const tries of [0, 1, 7]) {
      const { status, apt, git, stderr } = run(t, script, tries);
      assert.equal(status, 0, `${title}: ${stderr}`);
      assert.equal(apt.filter((line) => line.includes('update')).length, tries + 1, title);
      assert.match(apt.at(-1)!, /install/, title);
      assert.ok(git.includes('fetch -q https://review.example.com/p refs/changes/01/1/1'), git.join('\n'));
    }
  }
});

test('an apt that never gets the lock, or lacks the package, ends the script with a reason', (t) => {
  for (const script of installing) {
    const never = run(t, script, 1_000);
    assert.notEqual(never.status, 0, script.name);
    assert.match(
      never.stderr,
      /Could not get lock[\s\S]*\napt-get update failed for 5 minutes: git cannot be installed\.\n/,
    );
    assert.ok(never.slept.reduce((sum, one) => sum + one, 0) <= 300);
    assert.ok(never.apt.every((line) => !line.includes('install')));
    const missing = run(t, script, 0, ['no-package']);
    assert.notEqual(missing.status, 0, script.name);
    assert.deepEqual(missing.git, [], 'nothing goes on without git');
  }
});
