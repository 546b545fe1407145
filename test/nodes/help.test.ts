/** The help of each node matches the messages that it accepts and sends. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import RED from 'node-red';
import { run } from '../support/build-runs.ts';
import { flow, guests, jobs, make, row } from '../support/flow-builder.ts';
import { startRed, type TestRed } from '../support/red.ts';

const nodes = join(import.meta.dirname, '..', '..', 'dist', 'nodes');

const unescaped = (html: string): string =>
  html
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');

/** Returns a section of a node's help, from its heading to the next one. */
function section(type: string, heading: 'Inputs' | 'Outputs'): string {
  const help = readFileSync(join(nodes, type, 'locales', 'en-US', 'node.html'), 'utf8');
  const found = new RegExp(`<h3>${heading}</h3>([\\s\\S]*?)(?=<h3>|</script>)`).exec(help)?.[1];
  assert.ok(found, `${heading} of ${type}`);
  return found;
}

/** Returns the properties that a section describes: name, type, description, and whether the property is optional. */
const described = (text: string) =>
  [
    ...text.matchAll(
      /<dt( class="optional")?>([^ ]+) <span class="property-type">([^<]+)<\/span><\/dt>\s*<dd>([\s\S]*?)<\/dd>/g,
    ),
  ].map(([, optional, name, type, description]) => ({
    name: unescaped(name!),
    type: type!,
    description: unescaped(description!),
    isOptional: optional !== undefined,
  }));

/** Returns the value of a message's property, given as a dotted path. */
const at = (message: object, name: string): unknown =>
  name.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], message);

const typeOf = (value: unknown): string =>
  Array.isArray(value)
    ? `array of ${value.length > 0 ? typeof value[0] : 'string'}s`
    : value === null
      ? 'null'
      : typeof value;

let red: TestRed;
/** The last message sent, by node type and output. */
const sent = new Map<string, object>();

before(async () => {
  red = await startRed();
  type Sent = { msg: object; source: { port: number; node: { type: string } } }[];
  RED.hooks.add('onSend.help', (events: Sent) => {
    for (const { msg, source } of events) sent.set(`${source.node.type} ${source.port}`, structuredClone(msg));
  });
  const script = make('ssh-exec', { script: 'echo hello\n', wires: [['publish-logs1'], ['lines']] });
  const lane = row(
    script,
    make('publish-logs', { files: [] }),
    make('gerrit-review', { silent: true, wires: [['end']] }),
  );
  await red.deploy(
    flow(
      jobs({ wires: [['clone-vm']] }),
      ...guests('vm', 'ssh-exec1'),
      ...lane,
      make('debug', { id: 'lines', active: false }),
      make('debug', { id: 'end', active: false }),
    ),
  );
});
after(async () => {
  RED.hooks.remove('onSend.help');
  await red?.close();
});

test('the example message in the help of ci-jobs starts a build', async () => {
  const { description } = described(section('ci-jobs', 'Inputs')).find(({ name }) => name === 'change')!;
  const change = JSON.parse(/<code>(\{.*?\})<\/code>/.exec(description)![1]!);
  const { result } = await run(red, { change, patchset: 1 } as never);
  assert.equal(result, 'SUCCESS');
  await red.event('report');
});

for (const [type, output] of [
  ['ci-jobs', 0],
  ['clone-image', 0],
  ['metadata-server', 0],
  ['virsh-boot', 0],
  ['ssh-exec', 0],
  ['ssh-exec', 1],
  ['publish-logs', 0],
  ['gerrit-review', 0],
] as const) {
  test(`output ${output + 1} of ${type} sends what its help says`, () => {
    const message = sent.get(`${type} ${output}`);
    assert.ok(message, 'a message is sent');
    const text = section(type, 'Outputs');
    const outputs = text.includes('node-ports') ? text.split(/<li>/).slice(1)[output]! : text;
    const properties = described(outputs);
    assert.ok(properties.length > 0);
    for (const { name, type: kind, isOptional } of properties) {
      const value = at(message, name);
      // A name in angle brackets is a placeholder.
      if ((value === undefined && isOptional) || name.includes('<') || (value !== undefined && kind === 'any'))
        continue;
      assert.equal(typeOf(value), kind, name);
    }
    const { payload } = message as { payload?: object };
    // ci-jobs sends Gerrit's event; virsh-boot sends addresses by guest name.
    if (payload === undefined || Array.isArray(payload) || ['ci-jobs', 'virsh-boot'].includes(type)) return;
    for (const key of Object.keys(payload)) {
      assert.match(outputs, new RegExp(`payload\\.${key}\\b`), `payload.${key} is described`);
    }
  });
}
