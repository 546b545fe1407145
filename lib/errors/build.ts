/** Errors of builds: how the flow is wired, what messages ask for, time limits and capacity. */
import { asSentence, CiError } from './ci-error.ts';

/** A message without msg.build, or of a build that has ended, arrived at a step. */
export const noBuild = (node: string): CiError =>
  new CiError({
    code: 'build/none',
    blame: 'config',
    message: `${node}: this message belongs to no running build, so the node did nothing.`,
    advice: 'Wire this node after a ci-jobs node.',
  });

/** Someone stopped a build, or Node-RED stops. @param by a clause or a name: "Node-RED is stopping" */
export const aborted = (by: string): CiError =>
  new CiError({
    code: 'build/aborted',
    blame: 'controller',
    message: `The build was aborted: ${by}.`,
    result: 'ABORTED',
  });

/** A newer trigger for the same change cancelled a build. @param by a noun phrase: "patchset 3" */
export const superseded = (by: string): CiError =>
  new CiError({
    code: 'build/superseded',
    blame: 'controller',
    message: `The build was superseded: ${by}.`,
    result: 'ABORTED',
  });

/** A build ended at publish-logs while a step of another branch was running. */
export const buildOver = (build: string): CiError =>
  new CiError({
    code: 'build/over',
    blame: 'config',
    message: `Build ${build} ended while a step of another branch was running, so the step was stopped.`,
    advice: 'Set "branches" of the publish-logs node to the number of branches that meet there.',
    result: 'ABORTED',
  });

/** The test steps of a build took longer than its job allows. */
export const jobTimeUp = (minutes: number): CiError =>
  new CiError({
    code: 'build/job-timeout',
    blame: 'patch',
    message: `The job exceeded its time limit of ${minutes} min.`,
    advice: 'If that is too short, raise the limit in its ci-jobs node.',
    result: 'TIMED_OUT',
  });

/** A script took longer than its step allows. */
export const stepTimeUp = (seconds: number): CiError =>
  new CiError({
    code: 'build/step-timeout',
    blame: 'patch',
    message: `The script exceeded its own time limit of ${seconds} s and was stopped.`,
    advice: "If that is too short, raise the step's limit.",
    result: 'TIMED_OUT',
  });

/** A build's message left a node and reached no other node of its lane. */
export const messageLost = (node: string): CiError =>
  new CiError({
    code: 'build/message-lost',
    blame: 'config',
    message: `The build's message was lost after "${node}": a node dropped it, or its output is not wired.`,
    advice: 'To skip a job, set msg.result to SKIPPED instead of dropping the message.',
  });

/** A build waited for a slot longer than its node allows. @param why what it waited for, as a sentence */
export const noFreeSlot = (minutes: number, why: string): CiError =>
  new CiError({
    code: 'build/no-room',
    blame: 'worker',
    message: `No worker had a free slot within ${minutes} min: ${asSentence(why)}`,
    advice: 'Add a worker host or slots, or let builds wait longer.',
  });

/** A clone-image node has no worker host. */
export const noWorker = (node: string): CiError =>
  new CiError({
    code: 'build/no-worker',
    blame: 'config',
    message: `${node}: no worker host is selected.`,
    advice: 'Select one in the node.',
  });

/**
 * A second clone-image node excludes the worker that the build already runs on.
 *
 * @param hosts what the node names: "worker b, worker c"
 */
export const otherWorker = (node: string, worker: string, hosts: string): CiError =>
  new CiError({
    code: 'build/other-worker',
    blame: 'config',
    message: `${node}: this build runs on ${worker}, but this node names ${hosts}. All guests of a build run on one host.`,
    advice: 'Select the same worker hosts in each clone-image node of the lane.',
  });

/** A clone-image node has no image, or its vm-image node is missing or disabled. */
export const noImageSelected = (node: string): CiError =>
  new CiError({
    code: 'build/no-image',
    blame: 'config',
    message: `${node}: no image is selected.`,
    advice: 'Select one in the node.',
  });

/** An ssh-exec node is set to run on an SSH host, but none is selected. */
export const noHost = (node: string): CiError =>
  new CiError({
    code: 'build/no-host',
    blame: 'config',
    message: `${node}: no SSH host is selected.`,
    advice: 'Select one in the node.',
  });

/** Every worker host of a build would run code from another machine's Gerrit without isolation. */
export const untrustedCode = (worker: string): CiError =>
  new CiError({
    code: 'build/strangers-code',
    blame: 'config',
    message: `${worker} does not isolate builds from its machine, and this change comes from a Gerrit on another machine.`,
    advice: 'Use a worker with virtual machines, or allow untrusted code in the worker host.',
  });

/** Two clone-image nodes of a lane use one guest name. */
export const guestTwice = (guest: string): CiError =>
  new CiError({
    code: 'build/guest-twice',
    blame: 'config',
    message: `This build already has a guest "${guest}".`,
    advice: 'Give each clone-image node of a lane a different guest name.',
  });

/** A step names a guest that the build has not booted. @param known names of its booted guests */
export const noSuchGuest = (guest: string, known: string[]): CiError =>
  new CiError({
    code: 'build/no-such-guest',
    blame: 'config',
    message: `This build has no booted guest "${guest}"${known.length > 0 ? `, only ${known.join(', ')}` : ''}.`,
    advice: 'Add a clone-image node with that guest name and a virsh-boot node before this step.',
  });

/** A build arrived at virsh-boot before any clone-image node. */
export const nothingToBoot = (): CiError =>
  new CiError({
    code: 'build/nothing-to-boot',
    blame: 'config',
    message: 'There is no clone to boot.',
    advice: 'Add a clone-image node before this step.',
  });

/** A name or a value in msg.env cannot be an environment variable. */
export const badVariable = (name: string): CiError =>
  new CiError({
    code: 'build/bad-variable',
    blame: 'config',
    message: `msg.env contains "${name}", which cannot be an environment variable.`,
    advice: 'Use letters, digits and underscores for the name, and a string, number or boolean as the value.',
  });

/** A function node set msg.result to something that is not a result, or to one that only steps may set. */
export const badResult = (value: string, allowed: readonly string[]): CiError =>
  new CiError({
    code: 'build/bad-result',
    blame: 'config',
    message: `msg.result is "${value}", which a node may not set.`,
    advice: `Set ${allowed.join(', ')}; the steps decide every other result.`,
  });

/** A function node set msg.result after publish-logs. */
export const resultTooLate = (value: string): CiError =>
  new CiError({
    code: 'build/result-too-late',
    blame: 'config',
    message: `msg.result is "${value}", but the build has already ended, so it was ignored.`,
    advice: 'Set it before publish-logs.',
  });

/** A node changed msg.build, which only Recheck writes. */
export const editedByHand = (node: string): CiError =>
  new CiError({
    code: 'build/edited-by-hand',
    blame: 'config',
    message: `"${node}" changed msg.build, which was ignored.`,
    advice: 'Set msg.env to add variables, or msg.result to decide the result.',
  });

/** A branch of a lane reached publish-logs after the build had been published. */
export const lateBranch = (build: string, node: string): CiError =>
  new CiError({
    code: 'build/late-branch',
    blame: 'config',
    message: `A branch of build ${build} arrived at "${node}" after the build was published there, so it was ignored.`,
    advice: 'Set its field "branches" to the number of branches that meet there.',
  });

/** A job is assigned to an output that its ci-jobs node had before. */
export const noLane = (job: string): CiError =>
  new CiError({
    code: 'build/no-lane',
    blame: 'config',
    message: `ci-jobs: the output of job "${job}" no longer exists.`,
    advice: 'Open the node and select one.',
  });

/** A message that should start jobs contains neither a change nor an event about one. */
export const noChange = (): CiError =>
  new CiError({
    code: 'build/no-change',
    blame: 'config',
    message: 'This message names no change.',
    advice: 'Wire gerrit-events before this node, or send {change: {project, number}, patchset}.',
  });

/** A build has ended, but not everything that it used could be removed. @param what "Guest d on worker a" */
export const releaseFailed = (what: string, why: string): CiError =>
  new CiError({
    code: 'build/release-failed',
    blame: 'worker',
    message: `${what} could not be removed: ${asSentence(why)}`,
  });
