import { quoted } from '../util/plain-text.ts';
import { CiError } from './ci-error.ts';

export const noBuild = (node: string): CiError =>
  new CiError({
    code: 'build/none',
    message: `${node}: this message belongs to no running build, so there was nothing to do. Wire this node behind a ci-jobs node.`,
    result: 'ERROR',
  });

export const aborted = (by: string): CiError =>
  new CiError({ code: 'build/aborted', message: `The build was aborted: ${by}.`, result: 'ABORTED' });

export const superseded = (by: string): CiError =>
  new CiError({ code: 'build/superseded', message: `The build was stopped, because ${by} came.`, result: 'ABORTED' });

export const buildOver = (build: string): CiError =>
  new CiError({
    code: 'build/over',
    message: `Build ${build} ended while a step of another branch ran, which was stopped. Set "branches" of the publish-logs node to the number of branches that meet there.`,
    result: 'ABORTED',
  });

export const jobTimeUp = (minutes: number): CiError =>
  new CiError({
    code: 'build/job-timeout',
    message: `The job's time of ${minutes} min was up. Give the job more time in its ci-jobs node where that is too short.`,
    result: 'TIMED_OUT',
  });

export const messageLost = (node: string): CiError =>
  new CiError({
    code: 'build/message-lost',
    message: `The build's message was lost behind "${node}": a node dropped it, or its output leads nowhere. To leave a job out, set msg.result to SKIPPED in place of dropping the message.`,
    result: 'ERROR',
  });

export const noRoom = (minutes: number, why: string): CiError =>
  new CiError({
    code: 'build/no-room',
    message: `No worker had room within ${minutes} min: ${why.replace(/\.$/, '')}. Add a worker host or slots, or let builds wait longer.`,
  });

export const noWorker = (node: string): CiError =>
  new CiError({
    code: 'build/no-worker',
    message: `${node}: no worker host is chosen. Choose one in the node's form.`,
    result: 'ERROR',
  });

/** @param hosts what the node names: "worker b, worker c" */
export const otherWorker = (node: string, worker: string, hosts: string): CiError =>
  new CiError({
    code: 'build/other-worker',
    message: `${node}: this build runs on ${worker}, and this node names ${hosts}. All guests of a build are on one host: choose the same worker hosts in each clone-image of the lane.`,
    result: 'ERROR',
  });

export const noImage = (node: string): CiError =>
  new CiError({
    code: 'build/no-image',
    message: `${node}: no image is chosen. Choose one in the node's form.`,
    result: 'ERROR',
  });

export const noHost = (node: string): CiError =>
  new CiError({
    code: 'build/no-host',
    message: `${node}: no SSH host is chosen. Choose one in the node's form.`,
    result: 'ERROR',
  });

export const strangersCode = (worker: string): CiError =>
  new CiError({
    code: 'build/strangers-code',
    message: `${worker} has no wall around its builds, and this change comes from a Gerrit that is not on this machine. Use a worker with virtual machines, or tick "strangers' code may run on this machine" in the worker host.`,
    result: 'ERROR',
  });

export const guestTwice = (guest: string): CiError =>
  new CiError({
    code: 'build/guest-twice',
    message: `This build has a guest "${guest}" already. Give each clone-image of a lane another guest name.`,
    result: 'ERROR',
  });

export const noSuchGuest = (guest: string, known: string[]): CiError =>
  new CiError({
    code: 'build/no-such-guest',
    message: `This build has no booted guest "${guest}"${known.length > 0 ? `, only ${known.join(', ')}` : ''}. Put a clone-image with that guest name and a virsh-boot before this step.`,
    result: 'ERROR',
  });

export const nothingToBoot = (): CiError =>
  new CiError({
    code: 'build/nothing-to-boot',
    message: 'There is no clone to boot. Put a clone-image before this step.',
    result: 'ERROR',
  });

export const bootFailed = (guest: string, worker: string, why: string, console: string): CiError =>
  new CiError({
    code: 'build/boot-failed',
    message: `${worker}: guest ${guest} did not come up: ${why}${console ? ` Its console ends with: "${console}".` : ''}`,
  });

/** Said of a guest whose first network card is on a private bridge. */
export const PRIVATE_FIRST =
  'Its first network card is on a private bridge, where nobody gives addresses, and cloud images ask for one on their first card only. Put the network that leads to the worker first, unless the image configures its network itself.';

/**
 * Why a guest is not up when its time is over: to be followed by its console's last line, where there is one.
 *
 * @param trouble why the last try to log in failed; undefined where it has no address yet
 * @param more.hardware what to change in its virtual hardware (hardwareAdvice); empty if that is not known to be the reason
 * @param more.privateFirst whether its first network card is on a private bridge
 */
export const notUpInTime = (
  seconds: number,
  trouble: string | undefined,
  console: string,
  { hardware = '', privateFirst = false } = {},
): string => {
  if (trouble !== undefined) {
    const silent = /connection refused|did not answer/i.test(trouble);
    const advice = silent
      ? ' Does its image start an SSH server, and does its firewall let port 22 in? A cloud-init that is too old for an ed25519 host key leaves it none: choose in the vm-image that its guests keep their own.'
      : '';
    if (hardware && console !== '') return `SSH login did not succeed within ${seconds} s. ${hardware}`;
    return `SSH login did not succeed within ${seconds} s (${trouble.replace(/\.$/, '')}).${advice}`;
  }
  if (privateFirst && (!hardware || console === '')) return `it has no address after ${seconds} s. ${PRIVATE_FIRST}`;
  const advice = hardware || 'Does its network give addresses (DHCP), and does its image ask for one?';
  return `it has no address after ${seconds} s. ${advice}`;
};

export const otherHostKey = (worker: string, address: string): CiError =>
  new CiError({
    code: 'build/other-host-key',
    message: `${worker}: the guest at ${address} shows another SSH host key than the one made for it. Its image takes none from cloud-init's user-data: choose in the vm-image that its guests keep their own; or another guest answers in its place.`,
  });

/** @param words what the guest printed in place of running a command */
export const notAdmitted = (guest: string, user: string, words: string): CiError => {
  const said = quoted(words);
  return new CiError({
    code: 'build/not-admitted',
    message: `Guest ${guest} accepts the login of ${user} and runs no command${said ? `; it says: "${said}"` : ''}. Set another login user in the vm-image, or let cloud-init admit this one (disable_root: false in the user-data, for root).`,
  });
};

/** @param milliseconds the limit */
export const cloudInitLate = (guest: string, milliseconds: number): CiError =>
  new CiError({
    code: 'build/cloud-init-late',
    message: `Guest ${guest}: cloud-init did not finish within ${Number((milliseconds / 60_000).toFixed(2))} min. The guest's console shows what it is doing; give it more time, or set its limit to 0 to start without it.`,
  });

/** @param lines what `cloud-init status --long` says, then the end of cloud-init's output */
export const cloudInitFailed = (guest: string, code: number | undefined, lines: readonly string[]): CiError => {
  const errors = lines.filter((line) => !/^\w*(status|status_code|last_update|detail|errors): *\S*$/.test(line.trim()));
  const why = quoted(errors.find((line) => /error|fail|invalid|traceback/i.test(line)) ?? '');
  return new CiError({
    code: 'build/cloud-init-failed',
    message: `Guest ${guest}: cloud-init failed (exit ${code ?? 'unknown'})${why ? `: ${why}` : ''}. Look at its user-data; the build's console has what cloud-init says, the guest's console the rest.`,
  });
};

export const badVariable = (name: string): CiError =>
  new CiError({
    code: 'build/bad-variable',
    message: `msg.env holds "${name}", which is no environment variable: a name is letters, digits and underscore, its value a text, number or boolean.`,
    result: 'ERROR',
  });

export const badResult = (value: string, allowed: readonly string[]): CiError =>
  new CiError({
    code: 'build/bad-result',
    message: `msg.result is "${value}". A node may set ${allowed.join(', ')}; anything else is decided by the steps.`,
    result: 'ERROR',
  });

export const resultTooLate = (value: string): CiError =>
  new CiError({
    code: 'build/result-too-late',
    message: `msg.result is "${value}", but the build has ended; that was ignored. Set it before publish-logs.`,
    result: 'ERROR',
  });

export const editedByHand = (node: string): CiError =>
  new CiError({
    code: 'build/edited-by-hand',
    message: `"${node}" changed msg.build; that was ignored. Set msg.env to add variables, or msg.result to decide the result.`,
    result: 'ERROR',
  });

export const lateBranch = (build: string, node: string): CiError =>
  new CiError({
    code: 'build/late-branch',
    message: `A branch of build ${build} came to "${node}" after the build was published there; it changes nothing. Set its field "branches" to the number of branches that meet there.`,
    result: 'ERROR',
  });

export const releaseFailed = (what: string, why: string): CiError =>
  new CiError({ code: 'build/release-failed', message: `${what} could not be removed: ${why.replace(/\.$/, '')}.` });

export const guestLost = (guest: string, why: string): CiError =>
  new CiError({
    code: 'build/guest-lost',
    message: `The SSH connection to guest ${guest} was lost: ${why.replace(/\.$/, '')}. Look at the guest's console in the logs; this is not held against the patch.`,
  });

export const guestRebooted = (guest: string): CiError =>
  new CiError({
    code: 'build/guest-rebooted',
    message: `Guest ${guest} rebooted. Where a script may do that, tick "the guest may reboot" in its ssh-exec node.`,
    result: 'FAILURE',
  });

export const serverMissing = (server: string): CiError =>
  new CiError({
    code: 'build/no-server',
    message: `The Gerrit server (${server}) of this report is not in the flow. Its report waits until that is deployed again; other builds are reported where the gerrit-review node names another server.`,
    transient: true,
  });

export const noServer = (): CiError =>
  new CiError({
    code: 'build/no-server-named',
    message:
      'This change names no Gerrit server, so its report cannot be posted. Choose a server in the gerrit-review node, or send change.server.',
    result: 'ERROR',
  });

export const reviewGone = (label: string): CiError =>
  new CiError({
    code: 'build/review-gone',
    message: `The gerrit-review node that was to report ${label} is not in the flow any more, so nothing was posted. Comment a recheck to run it again.`,
    result: 'ERROR',
  });

export const stepTimeUp = (seconds: number): CiError =>
  new CiError({
    code: 'build/step-timeout',
    message: `The script was stopped after its own limit of ${seconds} s. Give the step more time where that is too short.`,
    result: 'TIMED_OUT',
  });

export const noLane = (job: string): CiError =>
  new CiError({
    code: 'build/no-lane',
    message: `ci-jobs: job "${job}" leaves by an output that is not there any more. Open the node and choose one.`,
    result: 'ERROR',
  });

export const noChange = (): CiError =>
  new CiError({
    code: 'build/no-change',
    message:
      'This message names no change. Wire gerrit-events in front, or send {change: {project, number}, patchset}.',
    result: 'ERROR',
  });

export const postFailed = (why: string): CiError =>
  new CiError({ code: 'build/post-failed', message: `Logs could not be fetched: ${why}.`, result: 'POST_FAILURE' });

export const fetchTooLong = (guest: string, minutes: number): CiError =>
  new CiError({
    code: 'build/fetch-too-long',
    message: `the files of guest ${guest} did not come within ${minutes} min; what came is kept. Fetch less, or pack it in the guest first.`,
    result: 'POST_FAILURE',
  });

export const badComments = (count: number): CiError =>
  new CiError({
    code: 'build/bad-comments',
    message: `${count} inline comments of msg.comments were left out. It takes {file: [{line, message}]}, at most 500.`,
    result: 'ERROR',
  });

export const serverDown = (server: string, why: string): CiError =>
  new CiError({
    code: 'build/server-down',
    message: `${server} is not connected${why ? ` (${why})` : ''}. The report waits and is posted when it is back.`,
    transient: true,
  });
