import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { waitFor } from '../support/wait.ts';
import { type Headless, startHeadless } from './headless.ts';
import { manifest, nodeRed, pack, root, userDirWith } from './packed.ts';

const TYPES = Object.keys(manifest['node-red'].nodes);
const EXAMPLES = readdirSync(join(root, 'flows')).map((file) => file.replace(/\.json$/, ''));

type NodeSet = { module: string; types: string[]; version: string; enabled: boolean; err?: string };

let packed: Awaited<ReturnType<typeof pack>>;
before(async () => {
  packed = await pack();
});
after(() => packed.remove());

test('the package contains what runs, the examples, and nothing else', () => {
  const top = new Set(packed.files.map((file) => file.split('/')[0]));
  assert.deepEqual([...top].sort(), ['LICENSE', 'README.md', 'dist', 'examples', 'package.json', 'resources']);
  const strange = packed.files.filter((file) => /\.(ts|map|tsbuildinfo|test\.js)$/.test(file));
  assert.deepEqual(strange, []);
  for (const file of Object.values({ ...manifest['node-red'].nodes, ...manifest['node-red'].plugins })) {
    assert.ok(packed.files.includes(file), `${file} is declared and not packed`);
  }
  for (const name of ['setup-worker', 'nginx.conf']) {
    assert.ok(packed.files.includes(`dist/scripts/${name}`), `${name}, which the README tells of`);
  }
  for (const name of EXAMPLES) assert.ok(packed.files.includes(`examples/${name}.json`), name);
});

for (const line of ['5', '4.1'] as const) {
  suite(`in Node-RED ${line}`, () => {
    let userDir: string;
    let red: Headless;

    before(async () => {
      const [home, dir] = await Promise.all([nodeRed(line), userDirWith(packed.tarball)]);
      userDir = dir;
      red = await startHeadless(home, dir);
      const { version } = await red.json<{ version: string }>('/settings');
      assert.ok(version.startsWith(`${line}.`), version);
    });
    after(async () => {
      await red?.close();
      if (userDir) rmSync(userDir, { recursive: true, force: true });
    });

    test('every node loads, and no other package has its type', async () => {
      const sets = await red.json<NodeSet[]>('/nodes');
      const ours = sets.filter((set) => set.module === manifest.name);
      assert.deepEqual(
        ours.map((set) => [set.types.join(), set.enabled, set.err, set.version]),
        TYPES.map((type) => [type, true, undefined, manifest.version]),
      );
      const others = sets.filter((set) => set.module !== manifest.name).flatMap((set) => set.types);
      assert.deepEqual(
        TYPES.filter((type) => others.includes(type)),
        [],
      );
    });

    test('setup-worker is where the README says, and can be run', () => {
      const path = /~\/\.node-red\/(\S+\/setup-worker)/.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1];
      assert.ok(path, 'its path in an installed package');
      assert.match(execFileSync(join(userDir, path), ['--help'], { encoding: 'utf8' }), /^setup-worker \[OPTIONS\]/);
    });

    test('every node has its form, help and icon', async () => {
      const html = await (await red.get('/nodes', 'text/html')).text();
      const icons = await red.json<Record<string, string[]>>('/icons');
      for (const type of TYPES) {
        assert.ok(html.includes(`data-template-name="${type}"`), `form of ${type}`);
        const help = new RegExp(`data-help-name="${type}">\\s*<p>(\\w[^<]*)</p>`).exec(html)?.[1];
        assert.ok(help && help.length > 20, `help of ${type}`);
        const icon = `${type}.svg`;
        assert.ok(icons[manifest.name]?.includes(icon), `${icon} is in ${icons[manifest.name]}`);
        const picture = await red.get(`/icons/${manifest.name}/${icon}`, 'image/*');
        assert.equal(picture.headers.get('content-type')?.split(';')[0], 'image/svg+xml', icon);
        assert.match(await picture.text(), /<svg[^>]*viewBox/);
      }
    });

    test('every locale is served, and the code of the forms', async () => {
      const words = await red.json<Record<string, Record<string, object>>>('/nodes/messages?lng=en-US');
      for (const type of TYPES) {
        const own = words[`${manifest.name}/${type}`]?.[type];
        assert.ok(own && Object.keys(own).length > 1, `words of ${type}`);
      }
      const plugins = await (await red.get('/plugins', 'text/html')).text();
      for (const file of Object.values(manifest['node-red'].plugins)) {
        assert.ok(plugins.includes(readFileSync(join(root, file), 'utf8').trim()), file);
      }
      const [, script] = new RegExp(`<script src="(resources/${manifest.name}/[^"]+)">`).exec(plugins) ?? [];
      assert.ok(script, 'the plugin page loads the script of the forms');
      const bundle = await red.get(`/${script}`, '*/*');
      assert.equal(bundle.status, 200, script);
      assert.match(bundle.headers.get('content-type') ?? '', /javascript/);
      const code = await bundle.text();
      for (const type of TYPES) assert.ok(code.includes(`"${type}":`), `editor half of ${type}`);
      const shared = await red.json<Record<string, object>>('/plugins/messages?lng=en-US');
      const base = shared[`${manifest.name}/editor`] as { recheck?: object } | undefined;
      assert.ok(base?.recheck, 'words of the forms');
    });

    test('every example is on the Import menu', async () => {
      const at = `/library/examples/flows/${manifest.name}`;
      const menu = await red.json<{ fn: string }[]>(`${at}/`);
      assert.deepEqual(menu.map((entry) => entry.fn).sort(), [...EXAMPLES].sort());
      for (const name of EXAMPLES) {
        const flow = (await (await red.get(`${at}/${encodeURIComponent(name)}`)).json()) as unknown[];
        assert.deepEqual(flow, JSON.parse(readFileSync(join(root, 'flows', `${name}.json`), 'utf8')), name);
      }
    });

    test('2 one VM runs at once: it verifies a sample of the sandbox Gerrit', async () => {
      const flow = readFileSync(join(root, 'flows', '2 one VM.json'), 'utf8');
      const deployed = await fetch(`${red.url}/flows`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'Node-RED-API-Version': 'v1' },
        body: flow,
      });
      assert.equal(deployed.status, 204, await deployed.text());
      await waitFor('the sandbox Gerrit is there', async () => (await red.get('/sandbox', 'text/html')).ok, 30_000);
      const upload = () =>
        fetch(`${red.url}/sandbox/upload`, { method: 'POST', body: new URLSearchParams({ kind: 'good' }) });
      assert.ok((await upload()).ok);
      const page = await waitFor(
        'the review of change 1',
        async () => {
          const html = await (await red.get('/sandbox/1', 'text/html')).text();
          return html.includes('pipeline).') ? html : undefined;
        },
        60_000,
      ).catch((error: Error) => {
        throw new Error(`${error.message}\n${red.said()}`);
      });
      assert.match(page, /Build succeeded \(check pipeline\)\./);
      const log = /href="([^"]+\/recheck\/logs\/[^"]+)"/.exec(page)?.[1];
      assert.ok(log, 'the review links its log');
      assert.match(await (await fetch(log)).text(), /Every step passed/);
      assert.doesNotMatch(red.said(), /\[error\]|Unhandled|Flows stopped due to missing/);
    });
  });
}
