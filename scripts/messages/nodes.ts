import type { NodeMessages, Property } from './types.ts';

/** Properties that every node of a lane reads. Source: `Build.take` in lib/builds/build.ts. */
const TAKEN: Property[] = [
  {
    name: 'build',
    type: 'object',
    text: 'the build; only `build.id` is read. Changes made to `msg.build` are ignored and cause a warning',
  },
  {
    name: 'env',
    type: 'object',
    text: 'variables to add to the build, `{NAME: "value"}`, for all later scripts. Values: strings, numbers, booleans',
    optional: true,
  },
  {
    name: 'result',
    type: 'string',
    text: 'result to end the build with: `FAILURE`, `SKIPPED` or `ABORTED`. The first result of a build wins',
    optional: true,
  },
  {
    name: 'comments',
    type: 'object',
    text: 'inline comments for the review, `{"file.c": [{line, message, unresolved}]}`, at most 500 per build',
    optional: true,
  },
];

/** Property that nodes which join branches read as well. Source: `Supervisor.joinBranches` in lib/builds/supervisor.ts. */
const CAUGHT: Property = {
  name: 'error',
  type: 'object',
  text: 'set by a Catch node. If no other message of the build arrives here, a build that has not ended ends as `ERROR`',
  optional: true,
};

/** Properties that every node of a lane sets, besides its payload. Source: `MessageRouter.send` in lib/builds/flow/router.ts. */
const SENT: Property[] = [
  { name: 'build', type: 'object', text: 'the current state of the build (see *The build*)' },
  { name: 'change', type: 'object', text: 'the change (see *The change*)' },
];

const TOPIC: Property = { name: 'topic', type: 'string', text: 'project' };

/** The messages of each node of the palette, in the order of a lane. */
export const NODES: NodeMessages[] = [
  {
    type: 'gerrit-events',
    summary: 'Has no input. Sends one message for each event that triggers builds.',
    inputs: [],
    outputs: [
      {
        title: 'Output',
        properties: [
          TOPIC,
          { name: 'payload', type: 'object', text: "the event, as in Gerrit's `stream-events`" },
          SENT[1]!,
          { name: 'trigger', type: 'object', text: 'why builds start (see *The trigger*)' },
        ],
      },
    ],
  },
  {
    type: 'ci-jobs',
    summary: 'Starts the builds of a trigger, or stops running builds. Sends one message per build.',
    inputs: [
      {
        name: 'change',
        type: 'object',
        text: 'the change, from gerrit-events. A manual start needs at least `project`, such as `{"project": "demo", "number": 1234}`',
      },
      {
        name: 'patchset',
        type: 'number or object',
        text: 'patchset of a manual start, unless `change.patchset` has it: its number, or `{number, ref, revision}`',
        optional: true,
      },
      {
        name: 'trigger',
        type: 'object',
        text: 'why builds start; without `type` and `key` it is a manual start, which is never a duplicate',
        optional: true,
      },
      {
        name: 'payload',
        type: 'object',
        text: 'the event; scripts get its values as environment variables',
        optional: true,
      },
      {
        name: 'kill',
        type: 'boolean or string',
        text: '`true` stops all running builds of this node, the id of a build stops that build. No build is started',
        optional: true,
      },
    ],
    outputs: [
      {
        title: 'One output per lane',
        properties: [
          ...SENT,
          { name: 'payload', type: 'any', text: 'as received: the event', optional: true },
          { name: 'topic', type: 'string', text: 'as received: the project', optional: true },
          { name: 'trigger', type: 'object', text: 'as received', optional: true },
        ],
      },
    ],
  },
  {
    type: 'clone-image',
    summary: 'Clones the disk of one guest.',
    inputs: TAKEN,
    outputs: [
      {
        title: 'Output',
        properties: [
          ...SENT,
          { name: 'payload.guest', type: 'string', text: 'name of the guest' },
          { name: 'payload.host', type: 'string', text: 'worker host' },
          { name: 'payload.image', type: 'string', text: 'image' },
          { name: 'payload.clone', type: 'string', text: 'name of the clone on the worker' },
        ],
      },
    ],
  },
  {
    type: 'metadata-server',
    summary: 'Publishes the metadata of the guests cloned so far.',
    inputs: TAKEN,
    outputs: [
      {
        title: 'Output',
        properties: [
          ...SENT,
          { name: 'payload.guests', type: 'array of strings', text: 'guests that now have their metadata' },
        ],
      },
    ],
  },
  {
    type: 'virsh-boot',
    summary: 'Boots the guests cloned so far.',
    inputs: TAKEN,
    outputs: [
      {
        title: 'Output',
        properties: [...SENT, { name: 'payload.<name>', type: 'string', text: 'address of the guest of that name' }],
      },
    ],
  },
  {
    type: 'ssh-exec',
    summary: 'Runs a script in guests or on another machine.',
    inputs: TAKEN,
    outputs: [
      {
        title: 'Output 1: the build',
        properties: [
          ...SENT,
          {
            name: 'payload.guest',
            type: 'string',
            text: 'guest or machine that the script ran on; if there were several, the one that decided the result',
          },
          {
            name: 'payload.exitCode',
            type: 'number',
            text: 'exit code; missing if a signal or the time limit ended the script',
            optional: true,
          },
          { name: 'payload.signal', type: 'string', text: 'signal that ended the script', optional: true },
          { name: 'payload.duration', type: 'number', text: 'milliseconds' },
          {
            name: 'payload.guests',
            type: 'array of objects',
            text: 'these four properties for each guest, if the script ran in several',
            optional: true,
          },
        ],
      },
      {
        title: 'Output 2: lines of output as they arrive, at most ten messages per second',
        properties: [
          TOPIC,
          { name: 'payload', type: 'array of strings', text: 'lines, without line endings' },
          { name: 'buildId', type: 'string', text: 'id of the build' },
          {
            name: 'dropped',
            type: 'number',
            text: 'number of lines left out, if there were more than fit in a message (64 KiB)',
            optional: true,
          },
        ],
      },
    ],
  },
  {
    type: 'publish-logs',
    summary: 'Publishes the logs and ends the build, once for all branches of the lane, whatever the result is.',
    inputs: [...TAKEN, CAUGHT],
    outputs: [
      {
        title: 'Output',
        properties: [
          ...SENT,
          {
            name: 'payload.url',
            type: 'string',
            text: 'address of the logs; missing if they cannot be written',
            optional: true,
          },
          { name: 'payload.files', type: 'number', text: 'number of files fetched' },
          { name: 'payload.missing', type: 'array of strings', text: 'paths that were not found, as `guest:path`' },
          {
            name: 'parts.id',
            type: 'string',
            text: 'id of the buildset, so that a join node can collect all builds of a trigger',
          },
          { name: 'parts.type', type: 'string', text: '`array`' },
          { name: 'parts.index', type: 'number', text: 'position of the build in the buildset, counted from 0' },
          { name: 'parts.count', type: 'number', text: 'number of builds in the buildset' },
        ],
      },
    ],
  },
  {
    type: 'gerrit-review',
    summary:
      'Posts one review when all builds of a trigger have arrived. A `msg.result` set after publish-logs comes too late and causes a warning.',
    inputs: [...TAKEN, CAUGHT],
    outputs: [
      {
        title: 'Output: the message of the last build to arrive',
        properties: [
          ...SENT,
          {
            name: 'payload.message',
            type: 'string',
            text: 'text of the review; missing if there was nothing to post',
            optional: true,
          },
          { name: 'payload.labels', type: 'object', text: 'votes, such as `{Verified: 1}`; empty if there are none' },
          { name: 'payload.posted', type: 'boolean', text: 'whether Gerrit has the review' },
          { name: 'payload.state', type: 'string', text: '`posted`, `silent`, `nothing` or `failed`' },
        ],
      },
    ],
  },
];
