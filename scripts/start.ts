/** `npm start`: Node-RED on this machine with the shipped flows, a sandbox Gerrit and the sandbox worker. */
import { execFileSync } from 'node:child_process';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { join, relative, resolve } from 'node:path';
import express from 'express';
import RED from 'node-red';
import type { BuildEvent } from '../lib/builds/types.ts';
import type { SandboxGerrit } from '../lib/sandbox/gerrit.ts';
import { Story } from './story.ts';

const root = resolve(import.meta.dirname, '..');
const userDir = resolve(process.env['RECHECK_SANDBOX'] ?? join(root, '.sandbox'));
const port = Number(process.env['PORT'] ?? 1880);
const base = `http://127.0.0.1:${port}`;
const say = (line: string) => process.stdout.write(`${line}\n`);
const fail = (line: string): never => {
  process.stderr.write(`${line}\n`);
  process.exit(1);
};

if (!Number.isInteger(port) || port < 1 || port > 65_535) {
  fail(`PORT is "${process.env['PORT']}", which is not a port number. Use for example: PORT=1881 npm start`);
}

/** The flow that is enabled at first; the others are disabled, so that a patchset gets one review. */
const ACTIVE = '3 a matrix of jobs';

try {
  execFileSync('git', ['--version'], { stdio: 'ignore' });
} catch {
  fail(
    'The sandbox Gerrit needs git, which is not installed. Install it (Debian, Ubuntu: apt-get install git) and start again.',
  );
}

const found = existsSync(join(userDir, 'flows.json'));
mkdirSync(join(userDir, 'node_modules', '@recheck'), { recursive: true });
const link = join(userDir, 'node_modules', '@recheck', 'node-red-gerrit-ci');
// A link of an earlier start may point to a checkout that was moved.
rmSync(link, { force: true });
symlinkSync(root, link);
if (!found) writeFileSync(join(userDir, 'flows.json'), JSON.stringify(shippedFlows(), null, 2));

type FlowNode = { type: string; label?: string; disabled?: boolean };

/** Returns all shipped flows as one, the active one first. */
function shippedFlows(): FlowNode[] {
  const names = readdirSync(join(root, 'flows'))
    .map((file) => file.replace(/\.json$/, ''))
    .sort();
  const order = [ACTIVE, ...names.filter((name) => name !== ACTIVE)];
  return order.flatMap((name) => {
    const nodes = JSON.parse(readFileSync(join(root, 'flows', `${name}.json`), 'utf8')) as FlowNode[];
    return nodes.map((node) => (node.type === 'tab' ? { ...node, disabled: name !== ACTIVE } : node));
  });
}

const app = express();
const server = createServer(app);
server.on('error', (error: NodeJS.ErrnoException) =>
  fail(
    error.code === 'EADDRINUSE'
      ? `Port ${port} of 127.0.0.1 is in use, perhaps by another Node-RED. Stop it, or choose another port: PORT=${port + 1} npm start`
      : `Port ${port} of 127.0.0.1 cannot be used: ${error.message}. Choose another port: PORT=${port + 1} npm start`,
  ),
);
await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));

const log = createWriteStream(join(userDir, 'node-red.log'), { flags: 'a' });
RED.init(server, {
  userDir,
  uiHost: '127.0.0.1',
  uiPort: port,
  httpAdminRoot: '/',
  httpNodeRoot: '/',
  flowFile: 'flows.json',
  credentialSecret: 'sandbox',
  telemetry: { enabled: false, updateNotification: false },
  editorTheme: {
    tours: false,
    page: { title: 'Recheck sandbox' },
    header: { title: 'Recheck sandbox' },
    // Nothing leaves this machine: the list of installable modules would be downloaded.
    palette: { catalogues: [] },
  },
  logging: {
    file: {
      level: 'info',
      handler: () => (entry: { level: number; msg: unknown; timestamp: number }) => {
        log.write(`${new Date(entry.timestamp).toISOString()} ${entry.level} ${String(entry.msg)}\n`);
        // Errors (20) and fatal errors (10) are shown on the terminal too.
        if (entry.level <= 20) say(`  ! ${String(entry.msg)}`);
      },
    },
  },
} as never);
app.use('/', RED.httpAdmin);
app.use('/', RED.httpNode);

say('Recheck sandbox: a small Gerrit, a worker and a CI on this machine. Nothing leaves it.');
say('Guests are not isolated: a patchset runs with your rights. The sandbox Gerrit listens on this machine only.');
say(`  editor    ${base}/`);
say(`  changes   ${base}/sandbox        upload, comment, read the reviews`);
say(
  `  state     ${relative(process.cwd(), userDir) || '.'}/        ${found ? 'continues from an earlier start; ' : ''}delete it to start over`,
);

const story = new Story(say, (change) => `${base}/sandbox/${change}`);
const sandbox = new Promise<SandboxGerrit>((done) => RED.events.once('recheck:sandbox', done));
const listening = new Promise<void>((done) => {
  const onStatus = ({ id, status }: { id: string; status: { fill?: string } }) => {
    const { getNode } = RED.nodes as unknown as { getNode(id: string): { type: string } | null };
    if (status.fill !== 'green' || getNode(id)?.type !== 'gerrit-events') return;
    RED.events.off('node-status', onStatus);
    done();
  };
  RED.events.on('node-status', onStatus);
});
RED.events.on('recheck:event', (event: BuildEvent) => {
  story.take(event);
  RED.events.emit('recheck:printed');
});

let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping) process.exit(1);
    stopping = true;
    RED.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}

await RED.start();
await listening;
const gerrit = await sandbox;
if (gerrit.restored) {
  say(`\nChanges of an earlier start: ${base}/sandbox`);
} else {
  await runSample('broken');
  await runSample('good');
}
say('\nNow comment "my-ci recheck" on a change, or move a wire in the editor and deploy. Ctrl-C stops.');

/** Uploads a sample patchset and waits until its review was printed. */
async function runSample(kind: 'good' | 'broken'): Promise<void> {
  const change = await gerrit.uploadSample(kind);
  await new Promise<void>((done) => {
    const look = () => {
      if (!story.reported.has(`${change},1`)) return;
      RED.events.off('recheck:printed', look);
      done();
    };
    RED.events.on('recheck:printed', look);
    look();
  });
}
