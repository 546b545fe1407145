import type { Property } from './types.ts';

/** `msg.change`; source: `ChangeInfo` in lib/model/change.ts. */
export const CHANGE: Property[] = [
  { name: 'change.server', type: 'string', text: 'id of the gerrit-server node that the change comes from' },
  { name: 'change.project', type: 'string', text: 'project' },
  { name: 'change.branch', type: 'string', text: 'target branch', optional: true },
  { name: 'change.number', type: 'number', text: 'change number; missing for an updated ref', optional: true },
  { name: 'change.patchset', type: 'number', text: 'patchset number; missing for an updated ref', optional: true },
  {
    name: 'change.revision',
    type: 'string',
    text: 'commit of the patchset, or new revision of the updated ref',
    optional: true,
  },
  {
    name: 'change.ref',
    type: 'string',
    text: 'ref to fetch: `refs/changes/34/1234/2`, or the updated ref',
    optional: true,
  },
  { name: 'change.changeId', type: 'string', text: 'Change-Id (`I…`)', optional: true },
  { name: 'change.url', type: 'string', text: 'URL of the change in Gerrit (http or https)', optional: true },
  { name: 'change.subject', type: 'string', text: 'first line of the commit message', optional: true },
  {
    name: 'change.owner',
    type: 'string',
    text: 'username of the owner; if there is none, the name or email address',
    optional: true,
  },
];

/** `msg.build`; source: `BuildView` in lib/model/build.ts. */
export const BUILD: Property[] = [
  { name: 'build.id', type: 'string', text: 'id of the build; ci-jobs accepts it as `msg.kill`' },
  { name: 'build.attempt', type: 'number', text: 'attempt, counted from 1' },
  { name: 'build.set.id', type: 'string', text: 'id of the buildset: all builds of one trigger' },
  { name: 'build.set.index', type: 'number', text: 'position of the build in the buildset, counted from 0' },
  { name: 'build.set.count', type: 'number', text: 'number of builds in the buildset' },
  { name: 'build.pipeline', type: 'string', text: 'pipeline of the ci-jobs node' },
  { name: 'build.job', type: 'string', text: 'name of the job' },
  { name: 'build.voting', type: 'boolean', text: 'whether the job is voting' },
  {
    name: 'build.result',
    type: 'string',
    text: 'the first result that is not `SUCCESS`; missing while all steps have succeeded',
    optional: true,
  },
  {
    name: 'build.env.<name>',
    type: 'string',
    text: 'an environment variable of the scripts; secrets are not included',
  },
  { name: 'build.guests.<name>.host', type: 'string', text: 'worker host of a guest', optional: true },
  { name: 'build.guests.<name>.image', type: 'string', text: 'image of the guest', optional: true },
  { name: 'build.guests.<name>.clone', type: 'string', text: 'name of its clone on the worker', optional: true },
  { name: 'build.guests.<name>.domain', type: 'string', text: 'libvirt domain, once booted', optional: true },
  { name: 'build.guests.<name>.address', type: 'string', text: 'address for SSH, once booted', optional: true },
  { name: 'build.steps[].node', type: 'string', text: 'node that ran the step', optional: true },
  {
    name: 'build.steps[].name',
    type: 'string',
    text: 'name of the node; if it has none, what it does',
    optional: true,
  },
  { name: 'build.steps[].type', type: 'string', text: 'type of the node', optional: true },
  { name: 'build.steps[].guest', type: 'string', text: 'guest that the step was for', optional: true },
  { name: 'build.steps[].result', type: 'string', text: 'result of the step', optional: true },
  { name: 'build.steps[].startedAt', type: 'string', text: 'start of the step, ISO 8601 in UTC', optional: true },
  { name: 'build.steps[].duration', type: 'number', text: 'milliseconds', optional: true },
  { name: 'build.steps[].exitCode', type: 'number', text: 'exit code of the script', optional: true },
  { name: 'build.steps[].signal', type: 'string', text: 'signal that ended the script', optional: true },
  { name: 'build.steps[].message', type: 'string', text: 'what went wrong, in a sentence', optional: true },
  {
    name: 'build.steps[].line',
    type: 'number',
    text: 'first line of the step in `console.log`, counted from 1',
    optional: true,
  },
  {
    name: 'build.steps[].tail',
    type: 'array of strings',
    text: 'last lines of output, at most 20, if the step failed and the lane publishes logs',
    optional: true,
  },
  {
    name: 'build.logUrl',
    type: 'string',
    text: 'URL of the logs; missing if the lane does not publish logs',
    optional: true,
  },
  { name: 'build.startedAt', type: 'string', text: 'start of the build, ISO 8601 in UTC' },
];

/** `msg.trigger`; source: `Trigger` in lib/builds/types.ts. */
export const TRIGGER: Property[] = [
  { name: 'trigger.type', type: 'string', text: '`patchset`, `recheck`, `merged`, `ref` or `manual`' },
  { name: 'trigger.key', type: 'string', text: 'identity of the trigger: ci-jobs starts one buildset per key' },
  { name: 'trigger.reason', type: 'string', text: 'the reason as text, such as “patchset 2 was uploaded”' },
];
