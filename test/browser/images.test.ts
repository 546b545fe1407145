/// <reference lib="dom" />
/** The forms of images and of domain templates, driven as by a user. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { make } from '../support/flow-builder.ts';
import { waitFor } from '../support/wait.ts';
import { openBrowser, openContext } from './chromium.ts';
import { Editor, settled } from './editor.ts';
import { startProduct, stateDir } from './product.ts';

interface Saved {
  id: string;
  type: string;
  name: string;
  parent?: string;
  scripts?: { name: string; text: string; file: string }[];
  template?: string;
  cpu?: string;
  firmware?: string;
}

/** Returns the reasons that the open form shows for invalid settings. */
const reasons = async (page: Page): Promise<string[]> =>
  (await page.locator('.recheck-reason:not([hidden])').allInnerTexts()).filter((text) => text.trim() !== '');
/** Returns the images that the open form offers as parent. */
const parents = (page: Page): Promise<string[]> => page.locator('#node-config-input-parent option').allInnerTexts();

test('images built by scripts from another, the button that builds them, and a custom domain template', {
  timeout: 240_000,
}, async (t) => {
  const dir = stateDir(t);
  const folder = join(dir, 'files');
  mkdirSync(folder);
  const flows = [
    make('tab', { id: 'tab', label: 'images' }),
    make('worker-host', { id: 'host', name: 'here', slots: '1', strangers: true }),
    // The settings that images had before they had scripts.
    make('vm-image', { id: 'image-a', name: 'a', source: 'directory', path: folder }),
    make('vm-image', { id: 'image-b', name: 'b', source: 'directory', path: folder }),
    // The editor asks for confirmation before it deploys unused configuration nodes.
    ...['image-a', 'image-b'].map((image, index) =>
      make('clone-image', {
        ...{ id: `clone-${index}`, name: '', x: 300, y: 100 + 60 * index, wires: [['boot']] },
        ...{ image, hosts: ['host'], guest: `vm${index}` },
      }),
    ),
    make('virsh-boot', { id: 'boot', x: 500, y: 100, timeout: '300', wires: [[]] }),
  ];
  writeFileSync(join(dir, 'flows.json'), JSON.stringify(flows));
  const product = await startProduct(t, dir);
  await waitFor(
    'the editor is served',
    async () => (await fetch(`${product.url}/`).catch(() => undefined))?.ok,
    30_000,
  );
  const { context, faults } = await openContext(await openBrowser(t), product.url, 'light');
  const editor = await Editor.open(context, product.url);
  const { page } = editor;
  page.setDefaultTimeout(15_000);
  const addScript = page.locator('.red-ui-editableList-addButton', { hasText: 'script' });
  const saved = () => JSON.parse(readFileSync(join(dir, 'flows.json'), 'utf8')) as Saved[];
  const deploy = async () => {
    const before = readFileSync(join(dir, 'flows.json'), 'utf8');
    await editor.deploy();
    await waitFor('the deploy is saved', () => readFileSync(join(dir, 'flows.json'), 'utf8') !== before);
  };
  const apply = async () => {
    await page.locator('#node-config-dialog-ok').click();
    await settled(page);
  };

  await t.test('neither the image itself nor an image built from it can be chosen as parent', async () => {
    await editor.open('image-b');
    await page.selectOption('#node-config-input-source', 'parent');
    await waitFor('the image itself is not offered', async () => !(await parents(page)).includes('b'));
    assert.deepEqual((await parents(page)).sort(), ['a', 'none']);
    // A new parent is created from the form: the same form opens on top.
    await page.click('#node-config-input-btn-parent-add');
    await page.waitForSelector('.red-ui-tray-breadcrumbs li:nth-child(2)');
    await settled(page);
    await page.fill('#node-config-input-name', 'c');
    await page.selectOption('#node-config-input-source', 'parent');
    await page.selectOption('#node-config-input-parent', { label: 'a' });
    await addScript.click();
    await page.locator('[data-column="name"]').fill('init');
    await page.locator('#recheck-scripts .node-text-editor').click({ position: { x: 120, y: 30 } });
    await page.keyboard.insertText('echo init');
    await waitFor('c is valid', async () => (await reasons(page)).length === 0);
    await apply();
    assert.equal(await page.inputValue('#node-config-input-name'), 'b');
    assert.equal(await page.locator('#node-config-input-parent option:checked').innerText(), 'c');
    for (const name of ['second', 'first']) {
      await addScript.click();
      await page.locator('[data-column="name"]').last().fill(name);
      await page.locator('[data-column="from"]').last().selectOption('file');
      await page.locator('[data-column="file"]').last().fill('/etc/hostname');
      await page.locator('#recheck-scripts button[aria-expanded="true"]').last().click();
    }
    await waitFor('both scripts are valid', async () => (await reasons(page)).length === 0);
    const rows = page.locator('#recheck-scripts > li');
    const handle = (await rows.nth(1).locator('.red-ui-editableList-item-handle').boundingBox())!;
    const { y: top } = (await rows.first().boundingBox())!;
    await page.mouse.move(handle.x + 5, handle.y + handle.height / 2);
    await page.mouse.down();
    let steps = 0;
    await waitFor('the script is dragged to the first place', async () => {
      steps += 1;
      await page.mouse.move(handle.x + 5, top - (steps % 8), { steps: 5 });
      return rows.first().evaluate((row) => row.classList.contains('ui-sortable-placeholder'));
    });
    await page.mouse.up();
    await waitFor('everything is valid', async () => (await reasons(page)).length === 0);
    await editor.close('ok');
    await deploy();
    const [b, c] = ['b', 'c'].map((name) => saved().find((node) => node.type === 'vm-image' && node.name === name)!);
    assert.equal(b!.parent, c!.id);
    assert.deepEqual(
      b!.scripts!.map(({ name, file }) => [name, file]),
      [
        ['first', '/etc/hostname'],
        ['second', '/etc/hostname'],
      ],
    );
    assert.deepEqual([c!.parent, c!.scripts![0]!.text], ['image-a', 'echo init']);
    await editor.open('image-a');
    await page.selectOption('#node-config-input-source', 'parent');
    await waitFor('no image is offered', async () => (await parents(page)).join() === 'none');
    await editor.close('cancel');
  });

  await t.test(
    'the form shows its state on the worker, builds it by button, and shows why a build failed',
    async () => {
      await editor.open('image-b');
      const row = page.locator('.recheck-worker');
      await row.getByText('not built yet').waitFor();
      await row.getByRole('button', { name: 'Build now' }).click();
      await row.getByText(/failed 0 min ago/).waitFor();
      assert.match(await row.innerText(), /disk for virtual machines, but the sandbox worker only has folders/);
      await editor.close('cancel');
      const c = saved().find(({ name }) => name === 'c')!;
      await editor.open(c.id);
      await row.getByRole('button', { name: 'Show console' }).click();
      await page.locator('.recheck-console', { hasText: '=== cloning' }).waitFor();
      const popup = page.waitForEvent('popup');
      await row.getByRole('button', { name: 'Open full console' }).click();
      assert.match(await (await popup).locator('body').innerText(), /=== cloning/);
      await editor.close('cancel');
    },
  );

  await t.test('a private bridge causes a warning as the first network, but not as the second', async () => {
    await editor.open('boot');
    const warning = page.locator('.recheck-caution[role=status]:not([hidden])');
    const sources = page.locator('#recheck-networks [data-column="source"]');
    assert.equal(await warning.count(), 0);
    await page.locator('.red-ui-editableList-addButton', { hasText: 'network' }).click();
    await sources.last().fill('br0');
    await sources.first().fill('lan%');
    await warning.waitFor();
    assert.match(await warning.innerText(), /first card is on a private bridge.*Move “br0” to the top/);
    assert.deepEqual(await reasons(page), []);
    await sources.last().fill('other%');
    await waitFor('having only private networks is an error', async () =>
      /cannot be reached/.test((await reasons(page)).join()),
    );
    assert.equal(await warning.count(), 0);
    await sources.first().fill('default');
    await waitFor(
      'there is no error and no warning',
      async () => (await reasons(page)).length === 0 && (await warning.count()) === 0,
    );
    await editor.close('cancel');
  });

  await t.test('an invalid checksum is marked, with what is allowed', async () => {
    await editor.open('image-b');
    await page.selectOption('#node-config-input-source', 'url');
    await page.fill('#node-config-input-url', 'https://example.com/a.qcow2');
    await page.click('summary');
    const checksum = async (value: string, invalid: boolean): Promise<void> => {
      await page.fill('#node-config-input-sha256', value);
      const isMarked = async () =>
        (await reasons(page)).some((text) => /^Checksum must be 64 .* 128 .*SHA256SUMS/.test(text));
      await waitFor(`"${value}" is ${invalid ? 'marked' : 'accepted'}`, async () => (await isMarked()) === invalid);
    };
    for (const bad of [
      'ab'.repeat(31),
      `sha512:${'ab'.repeat(32)}`,
      'md5',
      'ftp://example.com/SHA256SUMS',
      'https://',
    ]) {
      await checksum(bad, true);
      await checksum('', false);
    }
    await checksum('x', true);
    await checksum('ab'.repeat(64), false);
    await checksum('x', true);
    await checksum('https://example.com/SHA512SUMS', false);
    await editor.close('cancel');
  });

  await t.test('a domain template starts from the shipped one, and an invalid one is marked', async () => {
    await editor.open('boot');
    await page.click('summary');
    await page.click('#recheck-template-fill');
    await page.locator('#recheck-template', { hasText: '<domain' }).waitFor();
    await waitFor('everything is valid', async () => (await reasons(page)).length === 0);
    const change = async (from: string, to: string, reason: RegExp) => {
      await page.evaluate(
        ([a, b]) => {
          type Model = { getValue(): string; setValue(text: string): void };
          const { monaco } = window as unknown as { monaco: { editor: { getModels(): Model[] } } };
          const model = monaco.editor.getModels().find((each) => each.getValue().includes('<domain'))!;
          model.setValue(model.getValue().replace(a, b));
        },
        [from, to] as const,
      );
      await waitFor(`${to}: ${reason}`, async () => reason.test((await reasons(page)).join()));
    };
    await change('</vcpu>', '', /Domain XML is not well-formed: error on line \d+/);
    await change('<vcpu>{{vcpus}}', '<vcpu>{{vcpus}}</vcpu>', /^$/);
    await change('<name>{{name}}', '<name>x', /needs <name>/);
    await change('<name>x', '<name>{{name}}', /^$/);
    await change('{{build}}', '{{{build}}}', /must not contain/);
    await change('{{{build}}}', '{{#build}}', /the section “build” is not opened and closed/);
    await change('{{#build}}', 'b', /needs a <metadata> element/);
    await change("build='b'", "build='{{build}}'", /^$/);
    await editor.close('ok');
    await deploy();
    assert.match(saved().find(({ type }) => type === 'virsh-boot')!.template!, /^<domain type='\{\{type\}\}'>/);
  });

  await t.test('CPU model and firmware: empty in an older flow, marked if invalid, saved as entered', async () => {
    for (const [id, prefix] of [
      ['image-b', 'node-config-input'],
      ['boot', 'node-input'],
    ] as const) {
      await editor.open(id);
      await page.locator('summary').first().click();
      const [cpu, firmware] = [`#${prefix}-cpu`, `#${prefix}-firmware`];
      assert.deepEqual([await page.inputValue(cpu), await page.inputValue(firmware)], ['', '']);
      assert.deepEqual(await reasons(page), []);
      for (const wrong of ['qemu64,+avx', 'x86-64-v9', 'x86-64']) {
        await page.fill(cpu, wrong);
        await waitFor(`${wrong} is marked`, async () =>
          /CPU model must be x86-64-v2, .*not “/.test((await reasons(page)).join()),
        );
      }
      for (const right of ['EPYC-Milan', '486', '${CPU}', 'host', 'x86-64-v3']) {
        await page.fill(cpu, right);
        await waitFor(`${right} is accepted`, async () => (await reasons(page)).length === 0);
      }
      await page.selectOption(firmware, 'uefi');
      await editor.close('ok');
    }
    await deploy();
    for (const id of ['image-b', 'boot']) {
      const { cpu, firmware } = saved().find((node) => node.id === id)!;
      assert.deepEqual([cpu, firmware], ['x86-64-v3', 'uefi']);
    }
  });

  await t.test('an image whose source changes loses its parent', async () => {
    await editor.open('image-b');
    await page.selectOption('#node-config-input-source', 'directory');
    await editor.close('ok');
    const kept = await page.evaluate(() => (window.RED.nodes.node('image-b') as { parent?: string } | null)?.parent);
    assert.equal(kept, '');
  });

  assert.deepEqual(faults, []);
});
