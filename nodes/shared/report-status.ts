import type { Node, NodeAPI, NodeStatus } from 'node-red';
import type { BuildEvent, ReportState } from '../../lib/builds/types.ts';
import type { Translate } from './i18n.ts';

const TYPE = 'gerrit-review';

/** Returns the node status for the state of a report, or undefined if the state does not change the status. */
export function reportStatus(t: Translate, label: string, state: ReportState): NodeStatus | undefined {
  const vote = 'vote' in state && state.vote ? state.vote : t(TYPE, 'status.noVote');
  switch (state.state) {
    case 'posted':
      return state.warnings.length > 0
        ? { fill: 'yellow', shape: 'ring', text: `${label}: ${state.warnings[0]}`.slice(0, 80) }
        : { fill: 'green', shape: 'dot', text: `${label} ${vote}` };
    case 'silent':
      return { fill: 'grey', shape: 'dot', text: t(TYPE, 'status.silent', { label, vote }) };
    case 'waiting':
      return { fill: 'red', shape: 'ring', text: t(TYPE, 'status.waiting', { pending: state.pending }) };
    case 'nothing':
      return { fill: 'grey', shape: 'ring', text: `${label}: ${t(TYPE, `status.${state.why}`)}` };
    case 'failed':
      return { fill: 'red', shape: 'ring', text: `${label}: ${state.message}`.slice(0, 80) };
    case 'badTemplate':
      return undefined;
  }
}

/**
 * Logs the state of a report.
 *
 * @param node the gerrit-review node; undefined if it is not deployed, for example during a deploy
 */
export function logReport(
  RED: NodeAPI,
  t: Translate,
  node: Node | undefined,
  event: BuildEvent & { kind: 'report' },
): void {
  const { label, state } = event;
  // Without a node: Node-RED's own log has the same methods.
  const log = node ?? RED.log;
  if (state.state === 'posted') for (const warning of state.warnings) log.warn(warning);
  if (state.state === 'failed' || state.state === 'badTemplate') log.error(state.message);
  if (state.state === 'silent') {
    const said = `${t(TYPE, 'status.wouldPost', { label })}\n${state.message}`;
    if (node) node.log(said);
    else RED.log.info(said);
  }
}
