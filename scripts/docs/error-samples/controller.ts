/** Example calls of the errors of builds, Gerrit, logs, SSH and templates. */
import type * as build from '../../../lib/errors/build.ts';
import type * as guest from '../../../lib/errors/build-guest.ts';
import type * as report from '../../../lib/errors/build-report.ts';
import type * as gerrit from '../../../lib/errors/gerrit.ts';
import type * as logs from '../../../lib/errors/logs.ts';
import type * as metadata from '../../../lib/errors/metadata.ts';
import type * as sandbox from '../../../lib/errors/sandbox.ts';
import type * as ssh from '../../../lib/errors/ssh.ts';
import type * as command from '../../../lib/errors/ssh-command.ts';
import type * as settings from '../../../lib/errors/ssh-settings.ts';
import type * as template from '../../../lib/errors/template.ts';
import { cause, forbidden, full, place, reviewed, type Samples } from './sample.ts';

export const controllerSamples = {
  'build.ts': {
    noBuild: [['{node}']],
    aborted: [['{reason}']],
    superseded: [['{reason}']],
    buildOver: [['{build}']],
    jobTimeUp: [[90]],
    stepTimeUp: [[600]],
    messageLost: [['{node}']],
    noFreeSlot: [[60, '{reason}']],
    noWorker: [['{node}']],
    otherWorker: [['{node}', '{worker}', '{workers}']],
    noImageSelected: [['{node}']],
    noHost: [['{node}']],
    untrustedCode: [['{worker}']],
    guestTwice: [['{guest}']],
    noSuchGuest: [['{guest}', ['{guests}']]],
    nothingToBoot: [[]],
    badVariable: [['{name}']],
    badResult: [['{result}', ['FAILURE', 'SKIPPED', 'ABORTED']]],
    resultTooLate: [['{result}']],
    editedByHand: [['{node}']],
    lateBranch: [['{build}', '{node}']],
    noLane: [['{job}']],
    noChange: [[]],
    releaseFailed: [['{thing}', '{reason}']],
  } satisfies Samples<typeof build>,
  'build-guest.ts': {
    bootFailed: [['{guest}', '{worker}', '{reason}.', '{line}']],
    otherHostKey: [['{worker}', '{address}']],
    notAdmitted: [['{guest}', '{user}', '{output}']],
    cloudInitLate: [['{guest}', 600_000]],
    cloudInitFailed: [['{guest}', 1, ['{error}']]],
    guestLost: [['{guest}', '{reason}']],
    guestRebooted: [['{guest}']],
  } satisfies Samples<typeof guest>,
  'build-report.ts': {
    postFailed: [['{reason}']],
    fetchTooLong: [['{guest}', 10]],
    badComments: [[3]],
    serverDown: [['{server}', '{reason}']],
    serverMissing: [['{server}']],
    noServer: [[]],
    reviewGone: [['{change}']],
  } satisfies Samples<typeof report>,
  'ci-error.ts': {
    toCiError: [
      [cause, '{place}'],
      [full, '{place}'],
    ],
  },
  'gerrit.ts': {
    badPattern: [[0, '{pattern}', cause]],
    badRecheck: [['{expression}', cause]],
    emptyArgument: [['{command}']],
    commandFailed: [['{server}', '{command}', '{answer}']],
    queryRefused: [['{server}', '{query}', '{answer}']],
    queryTimeout: [['{server}', 60_000]],
    mayNotStream: [['{server}', '{user}']],
    streamEnded: [['{server}', '{answer}']],
    streamHung: [['{server}', cause]],
    streamNotOpened: [['{server}', cause]],
    replayUnreadable: [['{file}', cause]],
    changeClosed: [[reviewed, '{answer}']],
    noSuchPatchset: [[reviewed, '{answer}']],
    reviewRefused: [[reviewed, '{answer}']],
    reviewFailed: [[reviewed, '{answer}']],
  } satisfies Samples<typeof gerrit>,
  'logs.ts': {
    logWriteFailed: [
      ['{file}', cause],
      ['{file}', forbidden],
      ['{file}', full],
    ],
    fetchLost: [['{guest}', '{file}', cause]],
    fetchBroken: [['{guest}', '{file}', cause]],
    fetchSilent: [['{guest}', '{file}', 60]],
  } satisfies Samples<typeof logs>,
  'metadata.ts': {
    badUserData: [['{reason}', 3]],
    badAuthorizedKey: [['{source}', 3]],
  } satisfies Samples<typeof metadata>,
  'sandbox.ts': {
    gitMissing: [[cause]],
    gitFailed: [[['{command}'], '{output}']],
    stateUnreadable: [['{file}', cause]],
    stateTooNew: [['{file}', '{version}']],
    cannotListen: [[29418, cause]],
    noSuchChange: [[1234]],
    noSuchAccount: [['{user}']],
    sandboxChangeClosed: [[1234, 'merged']],
    emptyComment: [[]],
    mergeConflict: [[1234, '{file}']],
    badFileName: [['{file}']],
    sandboxReviewRefused: [['{reason}']],
  } satisfies Samples<typeof sandbox>,
  'ssh.ts': {
    sshError: [],
    nameNotFound: [[place, cause]],
    connectionRefused: [[place, cause]],
    unreachable: [[place, cause]],
    noAnswer: [[place, 20_000]],
    handshakeFailed: [[place, cause]],
    loginEnded: [[place, '{banner}', cause]],
    keyRefused: [[place, '{public key}', undefined, '{banner}']],
    noKey: [[]],
    keyUnreadable: [[cause]],
    publicNotPrivate: [[]],
    passphraseMissing: [[]],
    passphraseWrong: [[cause]],
    hostKeyChanged: [
      [place, '{old key}', '{new key}', true],
      [place, '{old key}', '{new key}', false],
    ],
    hostKeySetting: [[place]],
    knownHostsBroken: [['{file}', cause]],
    connectionLost: [[place, cause]],
    hostClosed: [['{machine}']],
    channelRefused: [['{machine}', '{task}', cause]],
    requestRefused: [['{machine}', '{task}', cause]],
    noSessionFree: [[60_000, undefined]],
    tooManyWaiting: [[2000]],
    listenFailed: [['{machine}', '{address}', 8775, cause]],
    connectFromThere: [['{machine}', '{address}', 22, cause]],
  } satisfies Samples<typeof ssh>,
  'ssh-command.ts': {
    commandNotBegun: [[place, '{command}', 'ended with exit code 1 before it ran', '{output}']],
    sftpNoise: [[place, '{output}', cause]],
    noExitStatus: [['{machine}']],
    commandClosed: [['{machine}']],
    commandTimeout: [['{machine}', '{command}', 60_000, '{output}']],
    commandNotRun: [['{machine}', '{command}', cause]],
    nulInCommand: [[]],
    badEnvironment: [['{name}', '{reason}']],
    badUser: [['{user}']],
    scriptNotStarted: [
      ['{machine}', '{user}', '{output}'],
      ['{machine}', '{user}', 'sudo: {output}'],
      ['{machine}', '{user}', '{output}: No space left on device'],
    ],
  } satisfies Samples<typeof command>,
  'ssh-settings.ts': {
    keyFileUnreadable: [['{machine}', '{file}', '{reason}']],
  } satisfies Samples<typeof settings>,
  'template.ts': {
    badTemplate: [['{kind}', cause]],
    unescapedTag: [['{kind}', '{tag}']],
  } satisfies Samples<typeof template>,
};
