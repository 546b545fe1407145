/** Takes screenshots of the editor, forms and pages in both themes, and checks what a program can detect in them. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { before, suite, type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openBrowser, openContext, SCREENSHOTS, type Theme } from './chromium.ts';
import { Editor, settled } from './editor.ts';
import { type Product, startProduct, stateDir } from './product.ts';

/** A locale key that is shown instead of its text. */
const KEY = /^[a-z-]+(\.[a-zA-Z-]+)+$/;
/** Reasons that a form shows until the user fills it in: the Gerrit of `1 noop`, a new ssh-host. */
const EXPECTED_REASONS = ['Host is missing.', 'User is missing.', 'There is no key to log in with'];

const picture = (theme: Theme, name: string): string => join(SCREENSHOTS, `${theme}-${name.replaceAll(' ', '-')}.png`);

/** Returns texts of labels, buttons, options, hints and placeholders that look like locale keys. */
const untranslated = (page: Page): Promise<string[]> =>
  page.evaluate((key) => {
    const pattern = new RegExp(key);
    const texts = [
      ...document.querySelectorAll(
        '.red-ui-tray :is(label, button, option, summary, span, div, h5, a), #red-ui-palette-container-gerrit_ci .red-ui-palette-label',
      ),
    ]
      .filter((element) => element.childElementCount === 0 && !element.closest('.recheck-chip'))
      .map((element) => element.textContent ?? '');
    const attributes = [...document.querySelectorAll('.red-ui-tray :is([placeholder], [title], [aria-label])')].flatMap(
      (element) => ['placeholder', 'title', 'aria-label'].map((name) => element.getAttribute(name) ?? ''),
    );
    return [...texts, ...attributes]
      .map((text) => text.trim())
      .filter((text) => pattern.test(text) && !text.endsWith('.example.com'));
  }, KEY.source);

/** Expands all folded parts of the form, and makes the window as tall as the form needs. */
async function expand(page: Page): Promise<void> {
  const missing = await page.evaluate(() => {
    for (const fold of document.querySelectorAll<HTMLDetailsElement>('details.recheck-more')) fold.open = true;
    document.querySelector<HTMLButtonElement>('#recheck-jobs .recheck-cells > button')?.click();
    return window.hiddenSize('.recheck-form').height;
  });
  await page.setViewportSize({ width: 1900, height: 900 + missing });
  await settled(page);
}

/** Returns descriptions of nodes or groups that overlap or leave the canvas, and of wires that run backwards. */
async function layoutFaults(editor: Editor): Promise<string[]> {
  return editor.page.evaluate(() => {
    const { RED } = window;
    const z = RED.workspaces.active();
    const found: string[] = [];
    const boxes = RED.nodes.filterNodes({ z }).map((node) => {
      // A button extends 25 px beside its node, a status 18 px below it.
      const button = node._def.button && node.type !== 'comment' ? 25 : 0;
      const [left, right] = node._def.align === 'right' ? [0, button] : [button, 0];
      return {
        name: RED.utils.getNodeLabel(node),
        left: node.x - node.w / 2 - left,
        right: node.x + node.w / 2 + right,
        top: node.y - node.h / 2,
        bottom: node.y + node.h / 2 + 18,
      };
    });
    const groups = RED.nodes.groups(z).map((group) => ({
      name: `group ${group.name}`,
      left: group.x,
      right: group.x + group.w,
      top: group.y,
      bottom: group.y + group.h,
    }));
    const findOverlaps = (list: typeof boxes, gap: number) =>
      list.forEach((one, index) => {
        for (const other of list.slice(index + 1)) {
          if (
            one.left < other.right + gap &&
            other.left < one.right + gap &&
            one.top < other.bottom &&
            other.top < one.bottom
          ) {
            found.push(`${one.name} and ${other.name}`);
          }
        }
      });
    findOverlaps(boxes, 10);
    findOverlaps(groups, 10);
    for (const box of [...boxes, ...groups])
      if (box.left < 5 || box.top < 5) found.push(`${box.name} leaves the canvas`);
    for (const { source, target } of RED.nodes.filterLinks({})) {
      if (source.z === z && source.x + source.w / 2 >= target.x - target.w / 2)
        found.push(`a wire runs back to ${RED.utils.getNodeLabel(target)}`);
    }
    return found;
  });
}

/** Returns the ids of our configuration nodes, and of one node of each other type of ours on a tab. */
const nodesToOpen = (page: Page, tab: string): Promise<{ id: string; name: string }[]> =>
  page.evaluate((z) => {
    const { RED } = window;
    const all = RED.nodes.filterNodes({ z });
    RED.nodes.eachConfig((node) => all.push(node));
    const named = all
      .filter((node) => node._def.set?.module === '@recheck/node-red-gerrit-ci')
      .map((node) => ({ id: node.id, name: node.type === 'gerrit-server' ? `gerrit-server ${node.kind}` : node.type }));
    return named.filter(({ name }, index) => named.findIndex((each) => each.name === name) === index);
  }, tab);

async function checkForms(t: TestContext, editor: Editor, theme: Theme, tab: string): Promise<void> {
  const { page } = editor;
  // No shipped flow has an ssh-host.
  for (const { id, name } of [...(await nodesToOpen(page, tab)), { id: '', name: 'ssh-host' }]) {
    await t.test(`the form of ${name}`, async () => {
      await editor.open(id, name);
      const tray = page.locator('.red-ui-tray').last();
      await tray.screenshot({ path: picture(theme, `form-${name}`) });
      await expand(page);
      await tray.screenshot({ path: picture(theme, `form-${name}-expanded`) });
      const reasons = await page.locator('.recheck-reason:not([hidden])').allInnerTexts();
      const keys = await untranslated(page);
      const { width } = await page.evaluate(() => window.hiddenSize('.recheck-form'));
      await editor.close('cancel');
      await page.setViewportSize({ width: 1900, height: 900 });
      const shown = reasons.filter((text) => text.trim() !== '');
      const expected = ['gerrit-server ssh', 'ssh-host'].includes(name) ? EXPECTED_REASONS : [];
      assert.deepEqual(
        shown.filter((text) => !expected.some((each) => text.includes(each))),
        [],
      );
      assert.deepEqual(keys, []);
      assert.equal(width, 0, 'the form is cut off at its side');
    });
  }
}

async function checkPages(product: Product, page: Page, theme: Theme): Promise<void> {
  await page.setViewportSize({ width: 1200, height: 900 });
  const capture = async (name: string) => {
    await page.screenshot({ path: picture(theme, name), fullPage: true });
    const excess = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.ok(excess <= 0, `${name} is ${excess} px too wide`);
  };
  await page.goto(`${product.url}/sandbox`);
  await capture('sandbox');
  for (const [change, result] of [
    [1, 'failed'],
    [2, 'succeeded'],
  ] as const) {
    await page.goto(`${product.url}/sandbox/${change}`);
    await capture(`sandbox-${result}`);
    await page.locator('#results tr', { hasText: 'unit' }).getByRole('link').click();
    await page.waitForSelector('h2:text-is("Steps")');
    assert.match(await page.locator('dl').innerText(), /guests\s+vm · image empty · on worker this machine · 127\./);
    const again = page.locator('section', { has: page.locator('h2:text-is("Run it again")') });
    assert.match(
      await again.innerText(),
      /^Run it again\s+Comment on the change: my-ci recheck\s+Or boot the same guest manually:\s+cp -a \S/,
    );
    await capture(`build-${result}`);
    await page.getByRole('link', { name: 'Console', exact: true }).click();
    await page.waitForSelector('h1:has-text("Console of")');
    const tone = result === 'failed' ? 'bad' : 'good';
    assert.match(await page.locator(`p.own.${tone}`).last().innerText(), /=== .*: (FAILURE|SUCCESS) in /);
    await capture(`console-${result}`);
  }
  await page.setViewportSize({ width: 420, height: 860 });
  await page.goBack();
  await capture('build-narrow');
  await page.goto(`${product.url}/sandbox/1`);
  await capture('sandbox-narrow');
}

suite('looks', () => {
  before(() => {
    rmSync(SCREENSHOTS, { recursive: true, force: true });
    mkdirSync(SCREENSHOTS, { recursive: true });
  });

  test('the editor, every form and every page', { timeout: 400_000 }, async (t) => {
    const product = await startProduct(t, stateDir(t));
    await product.waitForLine(/^Now comment/m);
    const browser = await openBrowser(t);
    for (const theme of ['light', 'dark'] as const) {
      await t.test(`in the ${theme} theme`, async (t) => {
        const { context, faults } = await openContext(browser, product.url, theme);
        const editor = await Editor.open(context, product.url);
        const tabs = await editor.tabs();
        assert.deepEqual(tabs.map((tab) => tab.label).sort(), [
          '1 noop',
          '2 one VM',
          '3 a matrix of jobs',
          '4 one VM on libvirt',
          '5 multi-node',
        ]);
        for (const { id, label } of tabs) {
          await editor.show(id);
          assert.deepEqual(await layoutFaults(editor), [], label);
          await editor.page.screenshot({ path: picture(theme, `editor-${label}`) });
        }
        await editor.show(tabs[0]!.id);
        await checkForms(t, editor, theme, tabs[0]!.id);
        await checkPages(product, await context.newPage(), theme);
        assert.deepEqual(faults, []);
        await context.close();
      });
    }
  });
});
