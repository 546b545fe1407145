/** Checks of the results of the flow "5 multi-node". */
import assert from 'node:assert/strict';
import { parseTable } from '../gerrit/results-table.ts';

/**
 * Checks a review and everything that it links to.
 *
 * @param serial what each guest's serial console must contain
 * @returns the build's console
 */
export async function assertMultiNode(message: string, serial = /cloud-init/): Promise<string> {
  const { rows } = parseTable(message);
  const get = async (file: string) => {
    const answer = await fetch(new URL(file, rows[0]!.link!));
    assert.equal(answer.status, 200, file);
    return answer.text();
  };
  const console = await get('console.log');
  assert.deepEqual(
    rows.map(({ job, result, voting }) => [job, result, voting]),
    [['dsvm-multinode', 'SUCCESS', false]],
    console,
  );
  // Each guest logged in to the other as rally, by host name.
  assert.equal(await get('slave/peer.log'), 'master\n');
  assert.equal(await get('master/peer.log'), 'slave\n');
  assert.match(await get('plot.html'), /The instance moved/);
  for (const guest of ['slave', 'master']) {
    await get(`${guest}/stack.log.gz`);
    assert.match(await get(`consoles/${guest}.log`), serial);
  }
  return console;
}

/** Returns the names of the images that were added since an earlier inventory. */
export const imagesIn = (left: Record<string, string[]>, before: Record<string, string[]>): string[] =>
  left['subvolumes']!.filter((path) => !before['subvolumes']!.includes(path))
    .map((path) => path.replace(/.*\/(.*)@.*/, '$1'))
    .sort();
