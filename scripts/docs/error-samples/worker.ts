/** Example calls of the errors of images, storage, libvirt and workers. */

import { CiError } from '../../../lib/errors/ci-error.ts';
import type * as image from '../../../lib/errors/image.ts';
import type * as download from '../../../lib/errors/image-download.ts';
import type * as libvirt from '../../../lib/errors/libvirt.ts';
import type * as hardware from '../../../lib/errors/libvirt-hardware.ts';
import type * as network from '../../../lib/errors/libvirt-network.ts';
import type * as storage from '../../../lib/errors/storage.ts';
import type * as worker from '../../../lib/errors/worker.ts';
import { cause, full, type Samples } from './sample.ts';

export const workerSamples = {
  'image.ts': {
    workerSilent: [['{task}', '{worker}', 10]],
    emptyImage: [['{image}', '{worker}']],
    guestImage: [['{image}']],
    diskImage: [['{image}']],
    noParent: [['{image}']],
    parentCircle: [[['{image}', '{parent}']]],
    scriptUnreadable: [['{image}', '{script}', '{file}', '{reason}']],
    draftGone: [['{image}', '{worker}']],
    imageThere: [['{image}', '{worker}']],
    noDisk: [['{image}', '{worker}']],
    imageNotBooted: [['{image}', '{worker}', '{reason}.', '{line}']],
    imageScriptFailed: [['{image}', '{script}', 'ended with exit code 2', '{line}']],
    imageTimeUp: [['{image}', 60, '{stage}']],
    imageLost: [
      ['{image}', '{stage}', cause, false],
      ['{image}', '{stage}', cause, true],
    ],
    imageFailedBefore: [[new CiError({ code: 'image/script-failed', blame: 'image', message: '{message}' }), 5]],
    imageBuildStopped: [[]],
  } satisfies Samples<typeof image>,
  'image-download.ts': {
    badImageUrl: [['{image}', '{url}']],
    downloadRefused: [['{image}', '{url}', '{reason}']],
    sourceChanging: [['{image}', '{file}', '{worker}']],
    downloadEnded: [['{image}', '{url}', 120, 700, '{reason}']],
    badChecksum: [['{image}', '{checksum}']],
    checksumFileUseless: [['{image}', '{url}', '{worker}', '{reason}']],
    checksumWrong: [
      ['{image}', '{url}', '{worker}', { algorithm: 'sha256', hex: '{checksum}' }, '{found}'],
      ['{image}', '{url}', '{worker}', { algorithm: 'sha256', hex: '{checksum}', listedAt: '{file}' }, '{found}'],
    ],
    notAnImage: [['{image}', '{url}', '{worker}', '{reason}']],
    unknownFormat: [['{image}', '{url}', '{worker}', '{format}']],
    otherMachine: [
      ['{image}', '{url}', '{worker}', { evidence: '{evidence}', archs: ['{arch}'], machine: '{machine}' }],
    ],
    fileTooLarge: [
      ['{image}', '{url}', '{worker}', 'has', 64, false],
      ['{image}', '{url}', '{worker}', 'has', 20, true],
    ],
    diskTooLarge: [['{image}', '{url}', '{worker}', 30, 20]],
  } satisfies Samples<typeof download>,
  'libvirt.ts': {
    virshMissing: [['{worker}']],
    libvirtDown: [['{worker}', '{uri}', '{output}']],
    virshFailed: [['{worker}', '{task}', '{output}']],
    kvmUnknown: [['{worker}', '{output}']],
    domainRefused: [
      ['{worker}', '{guest}', '{output}'],
      ['{worker}', '{guest}', '{output}: No space left on device'],
      ['{worker}', '{guest}', '{output}: failed to initialize kvm'],
      ['{worker}', '{guest}', "{output}: Unable to find 'efi' firmware"],
      ['{worker}', '{guest}', '{output}: unknown CPU model'],
      ['{worker}', '{guest}', '{output}: cannot set up guest memory'],
      ['{worker}', '{guest}', '{output}: No such file or directory'],
      ['{worker}', '{guest}', '{output}: Permission denied'],
    ],
    guestVanished: [['{worker}', '{guest}', '{line}']],
    guestHalted: [['{worker}', '{guest}', '{state}', '{line}']],
    diskFull: [['{worker}', '{guest}', '{reason}']],
    diskFault: [['{worker}', '{guest}', '{reason}']],
    kvmFault: [
      ['{worker}', '{guest}', '{line}', true],
      ['{worker}', '{guest}', '{line}', false],
    ],
    notShutDown: [['{worker}', '{guest}', 120]],
    stillThere: [['{worker}', '{guest}', '{output}']],
    nvramLeft: [['{worker}', '{guest}', '{files}', '{output}']],
  } satisfies Samples<typeof libvirt>,
  'libvirt-hardware.ts': {
    cpuNeedsKvm: [['{guest}', '{cpu}']],
    cpuTooNew: [['{guest}', '{cpu}', '{version}']],
    cpuNotForArch: [['{guest}', '{cpu}', '{arch}']],
    biosNotForArch: [['{guest}', '{arch}']],
    badDomainTemplate: [['{part}']],
    cloneWithoutDisk: [['{guest}']],
    noUefi: [['{worker}', 'x86_64']],
  } satisfies Samples<typeof hardware>,
  'libvirt-network.ts': {
    addressShared: [['{worker}', '{guest}', '{other}', '{address}']],
    networkMissing: [['{worker}', '{network}', ['{networks}']]],
    networkDown: [['{worker}', '{network}']],
    onlyPrivate: [['{guest}']],
    badMac: [['{mac}']],
    macTaken: [['{worker}', '{guest}', '{mac}', '{other}']],
    badBridgeName: [['{name}']],
    bridgeFailed: [['{worker}', '{bridge}', '{output}']],
  } satisfies Samples<typeof network>,
  'storage.ts': {
    badPlace: [
      ['btrfs', '{path}'],
      ['zfs', '{dataset}'],
    ],
    commandMissing: [['{worker}', '{command}', '{packages}']],
    placeMissing: [
      ['{worker}', 'btrfs', '{path}'],
      ['{worker}', 'zfs', '{dataset}'],
      ['{worker}', 'directory', '{path}'],
    ],
    placeUnmounted: [['{worker}', '{dataset}']],
    wrongFileSystem: [['{worker}', '{path}', 'btrfs', '{file system}']],
    notRoot: [['{worker}', '{user}']],
    storageFull: [['{task}', '{worker}']],
    spaceRunsOut: [['{image}', '{url}', '{worker}']],
    storageBusy: [['{task}', '{worker}']],
    workFailed: [['{task}', '{worker}', '{output}']],
    storageFault: [
      ['{task}', cause],
      ['{task}', full],
    ],
    badName: [['{thing}', '{name}']],
    nameTaken: [['{worker}', '{path}', '{name}']],
    noSource: [['{image}', '{path}', cause]],
    sourceNotFolder: [['{image}', '{path}']],
    noImage: [['{image}']],
    foreignClone: [['{clone}', '{build}', 1]],
    notRemoved: [['{task}', '{worker}', '{reason}', '{command}']],
    imagesNotRemoved: [['{worker}', ['{images}'], [{ name: '{image}', why: '{reason}', command: '{command}' }]]],
  } satisfies Samples<typeof storage>,
  'worker.ts': {
    guestDied: [['{guest}', 'powered off', '{line}']],
    guestEnded: [['{guest}']],
    guestNotBooted: [['{guest}']],
    foreignGuest: [['{guest}', '{build}', 1]],
    noGuestAt: [['{worker}', '{address}']],
    guestNotStarted: [['{guest}', cause]],
    guestNotEnded: [['{guest}', [4321]]],
    guestSilent: [['{address}', 10]],
    noLoopback: [[]],
    linkFailed: [['{worker}', cause]],
    rulesFailed: [['{worker}', '{output}']],
    rulesTaken: [['{worker}', '{rule}']],
    listenerFailed: [['{address}', 8775, cause]],
    listenerElsewhere: [['{worker}']],
    factsUnread: [['{worker}']],
    hostNodeGone: [['{worker}']],
  } satisfies Samples<typeof worker>,
};
