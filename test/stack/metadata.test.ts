import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { promisify } from 'node:util';
import { waitFor } from '../support/wait.ts';
import { inSandbox, inventory } from './support.ts';
import { addressOf, bootGuest, openWorld, prepareGuest, removeGuest, runInGuest, type World } from './world.ts';

const sh = (command: string): string => execFileSync('sh', ['-c', command], { encoding: 'utf8' });

/** Sends a request from the worker itself; asynchronously, because the servers run in this process. */
const curl = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)('curl', ['-s', '-m', '5', ...args])).stdout;

/** Returns a shell command with which a guest sends a request and prints the response with its headers. */
const ask = (url: string, wait = 5): string => {
  const [, host, port = '80', path] = /^http:\/\/([^:/]+)(?::(\d+))?(.*)$/.exec(url)!;
  return `timeout ${wait} bash -c 'exec 3<>/dev/tcp/${host}/${port} && printf "GET ${path} HTTP/1.0\\r\\n\\r\\n" >&3 && cat <&3' 2>&1`;
};
/** A port that is free in the sandbox. */
const PORT = 18775;
const OWN_NAME = 'http://169.254.169.254/latest/meta-data/local-hostname';

inSandbox(import.meta.url, { limitMs: 400_000, disks: ['tiny'] }, () => {
  let world: World;
  let before_: ReturnType<typeof inventory>;
  before(async () => {
    world = await openWorld();
    // Rules of somebody else, which must not change.
    sh('iptables -w -t nat -A PREROUTING -i virbr0 -p tcp --dport 8443 -j REDIRECT --to-ports 9443');
    sh('iptables -w -t raw -A PREROUTING -i lo -p udp --dport 9 -j DROP');
  });
  after(() => world.close());
  beforeEach(() => {
    before_ = inventory();
  });
  afterEach(() => assert.deepEqual(inventory(), before_, 'nothing is left behind or changed'));

  test('a guest can reach only its own metadata, and nothing on the worker’s loopback', async () => {
    const secret = createServer((_request, response) => response.end('worker secret'));
    await new Promise<void>((resolve) => secret.listen(0, '127.0.0.1', resolve));
    const { port } = secret.address() as AddressInfo;
    const link = await world.openLink();
    const [mine, other] = await Promise.all(
      ['mine', 'other'].map((name) => prepareGuest(world, { build: 'm1', name })),
    );
    const [host, otherHost] = await Promise.all([bootGuest(world, mine!), bootGuest(world, other!)]);

    assert.match((await runInGuest(host, ask(OWN_NAME))).output, /200 OK[\s\S]*\r\n\r\nmine$/);
    // The server answers on the worker itself, but a guest must get no answer from it.
    assert.match(await curl(`http://127.0.0.1:${port}/`), /worker secret/);
    const metadataPort = /--to-destination 127\.0\.0\.1:(\d+)/.exec(sh('iptables -w -t nat -S PREROUTING'))![1];
    const own = await addressOf(world, mine!);
    // The guest removes its own loopback addresses and routes 127.0.0.0/8 to the worker.
    await runInGuest(
      host,
      `echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet
ip addr flush dev lo; ip route flush table local 127.0.0.0/8
ip route replace 127.0.0.0/8 via 192.168.122.1 dev eth0 src ${own}`,
    );
    const knock = async (target: string) =>
      (await runInGuest(host, `${ask(`http://${target}/`, 3)}; echo done`)).output;
    for (const target of [`127.0.0.1:${port}`, `127.0.0.1:${metadataPort}`]) {
      const response = await knock(target);
      assert.doesNotMatch(response, /worker secret|HTTP\/1/, response);
    }
    const drops = sh('iptables -w -t raw -nvxL PREROUTING');
    assert.match(drops, /^\s+[1-9]\d*\s+\d+ DROP .*virbr0.*127\.0\.0\.0\/8/m, `the rule has dropped packets: ${drops}`);
    // Without the rule the packets get through, so it is the rule that stops them.
    const dropRule = sh('iptables -w -t raw -S PREROUTING | grep recheck | cut -c 4-').trim();
    sh(`iptables -w -t raw -D ${dropRule}`);
    assert.match(await knock(`127.0.0.1:${port}`), /worker secret/);
    sh(`iptables -w -t raw -I ${dropRule}`);

    // The guest claims the other's address; the port of the bridge still identifies it.
    const address = await addressOf(world, other!);
    const stolen = await runInGuest(
      host,
      `ip addr add ${address}/24 dev eth0; ip route replace 169.254.169.254 via 192.168.122.1 dev eth0 src ${address}
arping -A -c 2 -I eth0 ${address} >/dev/null 2>&1 || ping -c 1 -W 1 -I ${address} 192.168.122.1 >/dev/null
for i in 1 2 3; do ${ask(OWN_NAME, 2)}; done; ip addr del ${address}/24 dev eth0; ip route del 169.254.169.254`,
    );
    assert.doesNotMatch(stolen.output, /\r\n\r\nother/, stolen.output);

    // With both the MAC and the address of the other it gets no response, since the bridge knows where the other is.
    const gateway = sh('cat /sys/class/net/virbr0/address').trim();
    const victim = sh(`virsh -q domiflist ${other!.domain} | awk '{print $5}'`).trim();
    await runInGuest(
      host,
      `cat >/tmp/copy <<'END'
mine=$(cat /sys/class/net/eth0/address)
be() {
  ip link set eth0 down; ip link set eth0 address $1; ip link set eth0 up; ip addr flush dev eth0
  ip addr add $2/24 dev eth0; ip neigh replace 192.168.122.1 lladdr ${gateway} dev eth0 nud permanent
  ip route replace default via 192.168.122.1
}
be ${victim} ${address}
for i in 1 2 3; do ${ask(OWN_NAME, 2)}; done >/tmp/heard 2>&1
be $mine ${own}
echo over >>/tmp/heard
END
setsid bash /tmp/copy </dev/null >/tmp/copy.log 2>&1 &`,
    );
    const heard = await runInGuest(
      host,
      'until grep -s over /tmp/heard; do sleep 0.2; done; cat /tmp/heard /tmp/copy.log',
    );
    assert.match(heard.output, /over/);
    assert.doesNotMatch(heard.output, /HTTP\/1/, heard.output);

    // A request from the worker itself, which is not from a guest's address, gets 404.
    assert.match(await curl('-i', `http://127.0.0.1:${metadataPort}/latest/meta-data/local-hostname`), /404/);
    // A dropped document is no longer served.
    world.metadata.drop(world.worker.id, mine!.domain);
    assert.match((await runInGuest(host, ask(OWN_NAME))).output, /404 Not Found/);

    await removeGuest(world, mine!, host);
    await removeGuest(world, other!, otherHost);
    await link.close();
    secret.closeAllConnections();
    await new Promise((resolve) => secret.close(resolve));
  });

  test('the rules and sysctl of a dead controller are removed, and the sysctl’s former value is restored', async () => {
    sh('echo 0 > /proc/sys/net/ipv4/conf/virbr0/route_localnet');
    const before = inventory();
    const dead = world.newWorker();
    const lost = await dead.linkMetadata(() => {}, { signal: AbortSignal.timeout(180_000) });
    const guest = await prepareGuest(world, { build: 'm2' });
    await dead.hypervisor.boot(guest.spec, { signal: AbortSignal.timeout(180_000) });
    const rules = sh('iptables -w -t nat -S | grep recheck; iptables -w -t raw -S | grep recheck').trim().split('\n');
    sh('cp /run/recheck-localnet-virbr0 /run/kept');
    await lost.close();
    await removeGuest(world, guest);
    assert.deepEqual(inventory(), before);
    // What kill -9 would leave behind.
    for (const [table, rule] of [
      ['nat', rules[0]!],
      ['raw', rules[1]!],
    ])
      sh(`iptables -w -t ${table} ${rule}`);
    sh('echo 1 > /proc/sys/net/ipv4/conf/virbr0/route_localnet; mv /run/kept /run/recheck-localnet-virbr0');
    const link = await world.openLink();
    await link.close();
    assert.deepEqual(inventory(), before);
  });

  test('flushed rules are added again for the next guest, and the loopback is closed after the last guest', async () => {
    sh('echo 0 > /proc/sys/net/ipv4/conf/virbr0/route_localnet');
    const localnet = () => sh('cat /proc/sys/net/ipv4/conf/virbr0/route_localnet').trim();
    const ours = () => ['raw', 'nat', 'filter'].map((table) => sh(`iptables -w -t ${table} -S | grep recheck || :`));
    const flush = () => {
      for (const table of ['raw', 'nat', 'filter'])
        sh(`iptables-save -t ${table} | grep -v recheck | iptables-restore -T ${table}`);
    };
    const before = inventory();
    const link = await world.openLink();
    const guests = [await prepareGuest(world, { build: 'm7' }), await prepareGuest(world, { build: 'm8' })];
    const signal = AbortSignal.timeout(180_000);
    await world.worker.hypervisor.boot(guests[0]!.spec, { signal });
    const made = ours();
    flush();
    assert.equal(localnet(), '1');
    await world.worker.hypervisor.boot(guests[1]!.spec, { signal });
    assert.deepEqual(ours(), made);
    flush();
    for (const guest of guests) await removeGuest(world, guest);
    await link.close();
    assert.equal(localnet(), '0');
    assert.deepEqual(inventory(), before);
  });

  test('two links at once, as after a redeploy: the rules stay until the last one closes', async () => {
    const first = await world.openLink();
    const next = world.newWorker();
    const second = await world.openLink(next);
    const guest = await prepareGuest(world, { build: 'm3' });
    const host = await bootGuest(world, guest);
    await first.close();
    // The second worker object did not boot this guest.
    const signal = AbortSignal.timeout(180_000);
    assert.equal(await next.hypervisor.domainAt(await addressOf(world, guest), { signal }), guest.domain);
    await removeGuest(world, guest, host);
    await second.close();
  });

  test('the worker’s sshd restarts: the link is opened again, and a guest boots through it', async () => {
    const link = await world.openLink();
    const first = await prepareGuest(world, { build: 'm4' });
    const host = await bootGuest(world, first);
    await world.sshd.stop();
    await waitFor('the guest is lost', () => host.gone.aborted);
    await world.sshd.start();
    await removeGuest(world, first);
    const second = await prepareGuest(world, { build: 'm5' });
    const again = await bootGuest(world, second);
    assert.match((await runInGuest(again, ask(OWN_NAME))).output, /\r\n\r\nvm$/);
    await removeGuest(world, second, again);
    await link.close();
  });

  test('guests on two bridges at once can both reach their metadata', async () => {
    sh('ip link add br1 type bridge && ip link set br1 up');
    const link = await world.openLink();
    const guests = [
      await prepareGuest(world, { build: 'm7', name: 'one' }),
      await prepareGuest(world, { build: 'm7', name: 'two', networks: [{ source: 'br1' }] }),
    ];
    for (const { spec } of guests) await world.worker.hypervisor.boot(spec, { signal: AbortSignal.timeout(180_000) });
    for (const bridge of ['virbr0', 'br1']) {
      assert.match(sh('iptables -w -t nat -S PREROUTING'), new RegExp(`-i ${bridge} .*--comment recheck-`));
    }
    for (const guest of guests) await removeGuest(world, guest);
    await link.close();
    sh('ip link del br1');
  });

  test('a conflicting rule for 169.254.169.254 is reported, instead of a guest that waits forever', async () => {
    const rule = 'PREROUTING -i virbr0 -d 169.254.169.254/32 -p tcp --dport 80 -j DNAT --to-destination 192.0.2.1:80';
    sh(`iptables -w -t nat -A ${rule}`);
    const link = await world.openLink();
    const guest = await prepareGuest(world, { build: 'm6' });
    await assert.rejects(world.worker.hypervisor.boot(guest.spec, { signal: AbortSignal.timeout(180_000) }), {
      code: 'worker/metadata-taken',
      message: /192\.0\.2\.1:80/,
    });
    await removeGuest(world, guest);
    await link.close();
    sh(`iptables -w -t nat -D ${rule}`);
  });

  for (const address of ['0.0.0.0', '192.168.122.1', '127.0.0.1']) {
    test(`a metadata server that listens on ${address} serves a guest’s metadata`, async () => {
      const worker = world.newWorker({ id: 'listens', isHere: true });
      const here: World = { ...world, worker };
      const link = await world.openLink(worker, { address, port: PORT });
      const guest = await prepareGuest(here, { build: `way${address.replaceAll('.', '')}` });
      if (address === '127.0.0.1') {
        // A reverse proxy of the operator forwards requests and says who sent them; how guests reach it is up to them.
        await worker.hypervisor.boot(guest.spec, { signal: AbortSignal.timeout(180_000) });
        const signal = AbortSignal.timeout(180_000);
        const [found] = await worker.hypervisor.addresses(guest.domain, { signal });
        const from = found!.host;
        const url = `http://127.0.0.1:${PORT}/latest/meta-data/local-hostname`;
        assert.equal(await curl('-H', `X-Real-IP: ${from}`, url), 'vm');
        assert.match(await curl('-i', '-H', 'X-Real-IP: 192.168.122.250', url), /404/);
        assert.match(await curl('-i', url), /404/);
        await removeGuest(here, guest);
      } else {
        const host = await bootGuest(here, guest);
        // A header that the guest itself sends is not trusted.
        const forged = `timeout 5 bash -c 'exec 3<>/dev/tcp/169.254.169.254/80 && printf "GET /latest/meta-data/local-hostname HTTP/1.0\\r\\nX-Real-IP: 192.168.122.1\\r\\n\\r\\n" >&3 && cat <&3'`;
        assert.match((await runInGuest(host, forged)).output, /\r\n\r\nvm$/);
        await removeGuest(here, guest, host);
      }
      await link.close();
    });
  }
});
