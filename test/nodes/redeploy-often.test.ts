import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import RED from 'node-red';
import { Ci } from '../support/ci.ts';
import { Tab } from '../support/flow-builder.ts';
import { waitFor } from '../support/wait.ts';

const onHost = { target: 'host', host: 'host' };

/** What a process holds that a leak would show in. */
interface Holdings {
  /** Open sockets, timers, children and the like that Node.js keeps the process alive for. */
  resources: Record<string, number>;
  /** Open file descriptors, by what they are. */
  files: Record<string, number>;
  /** Listeners on the process, on Node-RED's events and on its web server's routes. */
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
    // What reads or writes a file at this moment holds nothing.
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

/** The client's ports of the connections that are open to a port of this machine. */
function clientsOf(port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , remote, state]) => remote?.endsWith(`:${wanted}`) && state === '01')
    .map(([, local]) => local!);
}

/** What is held once that does not change for a moment: what a build let go of may take one to be gone. */
async function settled(): Promise<Holdings> {
  let last = holdings();
  let since = Date.now();
  return waitFor('what is held stays the same', () => {
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
  const connected = () =>
    waitFor('the stream is heard', () => ci.red.status(tab.idOf('events')).startsWith('connected'), 10_000);
  const works = async (number: number): Promise<void> => {
    const build = await ci.build(number);
    await waitFor('its script runs', () => build.running.values().next().value?.name === 'work', 20_000);
  };
  /** Lets the script of a change end. */
  const goOn = (number: number) => {
    const guests = [...ci.builds(number)[0]!.resources.guests.values()];
    return guests[0]!.host!.run(['touch', 'go'], { timeout: 5_000 });
  };

  test('many deploys leave no more behind than one, interrupt no stream, and lose neither a build nor an event', async () => {
    await connected();
    // What is made once by the first build and the first deploy is there.
    const warm = (await ci.upload()).number;
    await works(warm);
    await ci.deploy([tab]);
    await goOn(warm);
    await ci.review(warm);
    await waitFor('everything that the first build held is released', () =>
      ci.builds(warm).every(({ isFinished }) => isFinished),
    );

    const running = (await ci.upload()).number;
    await works(running);
    await ci.deploy([tab]);
    await connected();
    const { port } = ci.gerrit.target;
    const streams = clientsOf(port);
    assert.equal(streams.length, 1, 'one connection to Gerrit');
    const lines = ci.red.received(tab.idOf('lines')).length;
    const one = await settled();
    const during: number[] = [];
    for (let count = 1; count < 20; count += 1) {
      // Events that come in the middle of a deploy are heard after it.
      const uploaded = count % 9 === 0 ? ci.upload() : undefined;
      await ci.deploy([tab]);
      if (uploaded) during.push((await uploaded).number);
    }
    await connected();
    assert.deepEqual(clientsOf(port), streams, 'the same connection: it was never cut');
    assert.equal(during.length, 2);
    for (const number of during) await works(number);
    for (const number of during) await goOn(number);
    for (const number of during) await ci.review(number);
    // The guests of those two take a moment to be gone.
    await waitFor('all is as after one deploy', () => isDeepStrictEqual(holdings(), one)).catch(() => undefined);
    assert.deepEqual(holdings(), one);

    await goOn(running);
    const { results, vote, console } = await ci.verdict(running);
    for (const number of [warm, ...during]) assert.deepEqual((await ci.verdict(number)).results, { unit: 'SUCCESS' });
    assert.deepEqual([results, vote], [{ unit: 'SUCCESS' }, 1]);
    assert.match(console, /begun[\s\S]*ended[\s\S]*elsewhere/);
    assert.equal(console.match(/begun/g)!.length, 1);
    assert.ok(ci.red.received(tab.idOf('lines')).length > lines, 'its lines still come out of the second output');
    assert.deepEqual(clientsOf(port), streams);
  });
});
