import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import RED from 'node-red';
import { Ci } from '../../support/ci.ts';
import { Tab } from '../../support/flow-builder.ts';
import { waitFor } from '../../support/wait.ts';

const onHost = { target: 'host', host: 'host' };

/** Resources of a process in which a leak would show. */
interface Holdings {
  /** Number of resources that keep the process alive, by type: sockets, timers, child processes. */
  resources: Record<string, number>;
  /** Number of open file descriptors, by type. */
  files: Record<string, number>;
  /** Number of listeners on the process and on Node-RED's events, and of its web server's routes. */
  listeners: Record<string, number>;
}

const countOf = (names: Iterable<string>): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};

function holdings(): Holdings {
  const files = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`).replace(/:\[\d+\]$/, '')];
    } catch {
      return []; // the descriptor of the listing itself
    }
  });
  const { _events } = RED.events as unknown as { _events: Record<string, unknown> };
  const names = Object.keys(_events);
  const routes = (app: unknown) => (app as { _router?: { stack: unknown[] } })._router?.stack.length ?? 0;
  return {
    // A file operation in progress is not a leak.
    resources: countOf(process.getActiveResourcesInfo().filter((name) => !name.startsWith('FSReq'))),
    files: countOf(files.filter((file) => !file.startsWith('/'))),
    listeners: {
      ...Object.fromEntries(names.map((name) => [`event ${name}`, RED.events.listenerCount(name)])),
      ...Object.fromEntries(
        process.eventNames().map((name) => [`process ${String(name)}`, process.listenerCount(name)]),
      ),
      'node routes': routes(RED.httpNode),
      'admin routes': routes(RED.httpAdmin),
    },
  };
}

/** Returns the client addresses of the connections that are open to a port of this machine. */
function clientsOf(port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , remote, state]) => remote?.endsWith(`:${wanted}`) && state === '01')
    .map(([, local]) => local!);
}

/** Waits until the resources stay the same for a second, since a build's take a moment to close, and returns them. */
async function settled(): Promise<Holdings> {
  let last = holdings();
  let since = Date.now();
  return waitFor('the resources stay the same', () => {
    const now = holdings();
    if (!isDeepStrictEqual(now, last)) {
      last = now;
      since = Date.now();
    }
    return Date.now() - since > 1_000 && now;
  });
}

describe('twenty full deploys', () => {
  const tab = new Tab('all')
    .add('events', 'gerrit-events', {
      source: 'stream',
      server: 'gerrit',
      onPatchset: true,
      onRecheck: true,
      projects: [{ match: 'exact', pattern: 'demo' }],
      branches: [],
    })
    .jobs()
    .guest()
    .exec('work', 'echo begun\nwhile [ ! -e go ]; do sleep 0.1; done\necho ended')
    .exec('elsewhere', 'echo elsewhere', onHost)
    .debug('lines')
    .publish()
    .review()
    .line('events', 'jobs', 'clone')
    .line('boot', 'work', 'elsewhere', 'publish', 'review')
    .wire('work', 'lines', 1);
  let ci: Ci;
  before(async () => {
    ci = await Ci.start([tab]);
  });
  after(() => ci.close());
  const waitForStream = () =>
    waitFor('the event stream is connected', () => ci.red.status(tab.idOf('events')).startsWith('connected'), 10_000);
  const waitForScript = async (number: number): Promise<void> => {
    const build = await ci.build(number);
    await waitFor('the build’s script runs', () => build.running.values().next().value?.name === 'work', 20_000);
  };
  /** Lets the script of a change's build end. */
  const endScript = (number: number) => {
    const guests = [...ci.builds(number)[0]!.resources.guests.values()];
    return guests[0]!.host!.run(['touch', 'go'], { timeout: 5_000 });
  };

  test('many deploys leave no more resources than one, do not interrupt the stream, and lose no build or event', async () => {
    await waitForStream();
    // The first build and the first deploy create some resources that are kept.
    const warm = (await ci.upload()).number;
    await waitForScript(warm);
    await ci.deploy([tab]);
    await endScript(warm);
    await ci.review(warm);
    await waitFor('the first build has released everything', () =>
      ci.builds(warm).every(({ isFinished }) => isFinished),
    );

    const running = (await ci.upload()).number;
    await waitForScript(running);
    await ci.deploy([tab]);
    await waitForStream();
    const { port } = ci.gerrit.target;
    const streams = clientsOf(port);
    assert.equal(streams.length, 1, 'one connection to Gerrit');
    const lines = ci.red.received(tab.idOf('lines')).length;
    const one = await settled();
    const during: number[] = [];
    for (let count = 1; count < 20; count += 1) {
      // Events that arrive during a deploy are processed after it.
      const uploaded = count % 9 === 0 ? ci.upload() : undefined;
      await ci.deploy([tab]);
      if (uploaded) during.push((await uploaded).number);
    }
    await waitForStream();
    assert.deepEqual(clientsOf(port), streams, 'the connection was never interrupted');
    assert.equal(during.length, 2);
    for (const number of during) await waitForScript(number);
    for (const number of during) await endScript(number);
    for (const number of during) await ci.review(number);
    // The guests of those two builds take a moment to end.
    await waitFor('the resources are those after one deploy', () => isDeepStrictEqual(holdings(), one)).catch(
      () => undefined,
    );
    assert.deepEqual(holdings(), one);

    await endScript(running);
    const { results, vote, console } = await ci.verdict(running);
    for (const number of [warm, ...during]) assert.deepEqual((await ci.verdict(number)).results, { unit: 'SUCCESS' });
    assert.deepEqual([results, vote], [{ unit: 'SUCCESS' }, 1]);
    assert.match(console, /begun[\s\S]*ended[\s\S]*elsewhere/);
    assert.equal(console.match(/begun/g)!.length, 1);
    assert.ok(ci.red.received(tab.idOf('lines')).length > lines, 'the second output still sends its lines');
    assert.deepEqual(clientsOf(port), streams);
  });
});
