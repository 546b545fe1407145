import { userInfo } from 'node:os';
import { flow, job, jobs, make, reaching } from './lane.ts';
import type { FlowConfig } from './red.ts';

/** A step that runs its script on the machine of `scriptLane`. */
export const execThere = (settings: Record<string, unknown>): FlowConfig =>
  make('ssh-exec', { target: 'host', host: 'ssh-host1', env: [], wires: [['publish-logs1'], []], ...settings });

/**
 * Steps in a row, on a machine that is reached at once: ssh-host "store" at that port of loopback. Behind them stand a
 * page, a silent review that would vote, and the debug nodes `out` and `lines`, which a step's second output may be
 * wired to.
 */
export function scriptLane(
  port: number,
  privateKey: string,
  steps: FlowConfig[],
  more: Record<string, unknown> = {},
): FlowConfig[] {
  const lane = steps.map((step, index) => {
    const [, lines] = step['wires'] as string[][];
    return { ...step, wires: [[steps[index + 1]?.id ?? 'publish-logs1'], lines ?? []] };
  });
  const target = { label: '', host: '127.0.0.1', port, user: userInfo().username, privateKey };
  return flow(
    make('ssh-host', { name: 'store', ...reaching(target) }),
    jobs({ jobs: [job('unit', more)], wires: [[lane[0]!.id]] }),
    ...lane,
    make('publish-logs', { name: '', files: [], wires: [['gerrit-review1', 'out']] }),
    make('gerrit-review', { silent: true, vote: true }),
    make('debug', { id: 'out', active: false }),
    make('debug', { id: 'lines', active: false }),
  );
}
