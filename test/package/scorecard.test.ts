/** The flow library's scorecard, checked before it does. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { manifest, npm, root } from './packed.ts';

const { satisfies } = createRequire(join(root, 'node_modules', 'node-red', 'package.json'))('semver') as {
  satisfies(version: string, range: string): boolean;
};
const read = (...path: string[]): string => readFileSync(join(root, ...path), 'utf8');
const TYPES = Object.keys(manifest['node-red'].nodes);

/** What stands in a node's HTML between `registerType('type', {` and its first function. */
function literals(type: string): { category: string; inputs?: string; outputs?: string } {
  const html = read('nodes', type, 'editor.html');
  const registered = [...html.matchAll(/registerType\('([\w-]+)', \{/g)].map((match) => match[1]);
  assert.deepEqual(registered, [type], `nodes/${type}/editor.html registers its type, as a literal, once`);
  const text = html.slice(html.indexOf(`registerType('${type}', {`));
  const value = (key: string, pattern: string) => new RegExp(`\\n\\s+${key}: (${pattern}),`).exec(text)?.[1];
  const category = value('category', "'[\\w ]+'");
  assert.ok(category, `category of ${type} is a literal`);
  assert.ok(value('color', "'#[0-9A-F]{6}'"), `colour of ${type} is a literal`);
  assert.equal(value('icon', "'[\\w-]+\\.svg'"), `'${type}.svg'`);
  assert.match(text, /\n\s+defaults: \{\n/, `defaults of ${type} are a literal`);
  if (category === "'config'") return { category };
  assert.match(category, /^'[a-z ]+'$/, 'a category has no hyphen');
  const inputs = value('inputs', '[01]');
  const outputs = value('outputs', '\\d');
  assert.ok(inputs && outputs, `inputs and outputs of ${type} are literals`);
  return { category, inputs, outputs };
}

test('licence, links, name, keyword', () => {
  assert.equal(manifest.license, 'Apache-2.0');
  assert.match(read('LICENSE'), /Apache License\s+Version 2\.0/);
  assert.match(manifest.repository?.url ?? '', /^git\+https:\/\//);
  assert.match(manifest.bugs?.url ?? '', /^https:\/\//);
  assert.match(manifest.name, /^@[a-z-]+\/node-red-[a-z-]+$/);
  assert.ok(manifest.keywords.includes('node-red'));
});

test('the README says what it is and how to install it', () => {
  const readme = read('README.md');
  assert.match(readme, /^# \S/);
  assert.match(readme, /npm install .*@recheck\/node-red-gerrit-ci|Manage palette/i);
  const pictures = [...readme.matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)].map((match) => match[1]!);
  for (const picture of pictures) assert.ok(/^https:/.test(picture) || existsSync(join(root, picture)), picture);
});

test('supports the newest Node-RED, and the Node.js that it runs on', async () => {
  const latest = JSON.parse(await npm(['view', 'node-red', 'version', 'engines', '--json'], root)) as {
    version: string;
    engines: { node: string };
  };
  assert.ok(satisfies(latest.version, manifest['node-red'].version), `Node-RED ${latest.version}`);
  assert.ok(satisfies('22.9.0', manifest.engines.node));
  assert.ok(satisfies('22.9.0', latest.engines.node), `Node-RED ${latest.version} runs on Node ${latest.engines.node}`);
});

test('types are literals in the HTML, each once', () => {
  assert.equal(new Set(TYPES).size, TYPES.length);
  for (const type of TYPES) literals(type);
  const pages = readdirSync(join(root, 'nodes'), { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.html') && read('nodes', file).includes('registerType('),
  );
  assert.deepEqual(pages.sort(), TYPES.map((type) => join(type, 'editor.html')).sort());
});

test('the examples use every node that is not a configuration', () => {
  const used = new Set(
    readdirSync(join(root, 'flows')).flatMap((file) =>
      (JSON.parse(read('flows', file)) as { type: string }[]).map((node) => node.type),
    ),
  );
  const nodes = TYPES.filter((type) => literals(type).category !== "'config'");
  assert.deepEqual(
    nodes.filter((type) => !used.has(type)),
    [],
  );
});

test('at most six dependencies, each of its newest major version', async (t) => {
  const names = Object.keys(manifest.dependencies);
  assert.ok(names.length <= 6, names.join());
  for (const name of names) {
    const installed = (JSON.parse(read('node_modules', name, 'package.json')) as { version: string }).version;
    const latest = JSON.parse(await npm(['view', name, 'version', '--json'], root)) as string;
    // The library asks for the very latest; a release of somebody else's must not turn our tests red, so it is said.
    if (installed !== latest) t.diagnostic(`${name} ${installed} is installed, ${latest} is the newest: update it`);
    assert.equal(installed.split('.')[0], latest.split('.')[0], `${name} is behind by a major version`);
    assert.ok(satisfies(latest, manifest.dependencies[name]!), `${name} ${manifest.dependencies[name]}`);
  }
});
