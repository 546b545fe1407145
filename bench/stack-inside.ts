/** Runs the benchmarks that need real btrfs, zfs and libvirt. Started by stack.ts in the sandbox; writes rows to a file. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stackFolder } from '../test/stack/support.ts';
import { benchClones } from './clones.ts';
import { benchGuests, benchTrixie } from './guests.ts';

const [file, size, what] = process.argv.slice(2) as [string, 'quick' | 'full', 'tiny' | 'trixie'];
const dir = await mkdtemp(join(stackFolder!, 'bench-'));
const settings = { quick: size === 'quick', dir, say: (text: string) => console.error(text) };
const rows =
  what === 'trixie'
    ? await benchTrixie(settings)
    : [...(await benchClones(settings)), ...(await benchGuests(settings))];
await writeFile(file, JSON.stringify(rows));
process.exit();
