import { createHash } from 'node:crypto';

/** Number of events of each type among a hundred of a busy server. */
const SHARES: [type: string, share: number][] = [
  ['comment-added', 42],
  ['patchset-created', 18],
  ['ref-updated', 14],
  ['change-merged', 8],
  ['reviewer-added', 7],
  ['change-abandoned', 3],
  ['topic-changed', 2],
  ['hashtags-changed', 2],
  ['wip-state-changed', 2],
  ['vote-deleted', 1],
  ['unheard-of', 1],
];

const PROJECTS = ['openstack/nova', 'openstack/neutron', 'openstack/cinder', 'opendev/ci-sandbox', 'demo'];
const WORDS = 'the patch moves one lock out of its loop so that two workers may wait at once and none is starved'.split(
  ' ',
);

const sha = (seed: string): string => createHash('sha1').update(seed).digest('hex');

const words = (from: number, count: number): string =>
  Array.from({ length: count }, (_, index) => WORDS[(from * 7 + index * 3) % WORDS.length]).join(' ');

const account = (index: number) => ({
  name: `Developer Number ${index}`,
  email: `developer.${index}@example.com`,
  username: `dev${index}`,
});

/** Returns a type by its share; the same index gives the same type. */
function typeOf(index: number): string {
  let left = (index * 37) % 100;
  for (const [type, share] of SHARES) {
    if (left < share) return type;
    left -= share;
  }
  return 'comment-added';
}

function changeOf(number: number, project: string) {
  const id = `I${sha(`change ${number}`)}`;
  const subject = `Change ${number}: "quoted" and ${words(number, 6)}`;
  return {
    project,
    branch: number % 9 === 0 ? 'stable/2026.1' : 'master',
    topic: `topic-${number % 50}`,
    id,
    number,
    subject,
    owner: account(number % 97),
    url: `https://review.example.com/c/${project}/+/${number}`,
    commitMessage: `${subject}\n\n${words(number, 90)}\n\n${words(number + 1, 60)}\n\nCloses-Bug: #${number}\nChange-Id: ${id}\n`,
    createdOn: 1_795_000_000 + number,
    status: 'NEW',
  };
}

const patchsetOf = (number: number, patchset: number) => ({
  number: patchset,
  revision: sha(`${number},${patchset}`),
  parents: [sha(`parent of ${number}`)],
  ref: `refs/changes/${String(number % 100).padStart(2, '0')}/${number}/${patchset}`,
  uploader: account(number % 97),
  createdOn: 1_795_000_000 + number,
  author: account(number % 97),
  kind: 'REWORK',
  sizeInsertions: number % 500,
  sizeDeletions: -(number % 80),
});

const approvals = (vote: boolean) =>
  ['Code-Review', 'Verified', 'Workflow', 'Review-Priority'].map((type, index) => ({
    type,
    description: type,
    value: vote && index === 0 ? '1' : '0',
    ...(vote && index === 0 ? { oldValue: '0' } : {}),
  }));

function comment(index: number, patchset: number): string {
  const header = `Patch Set ${patchset}:${index % 5 === 0 ? ' Code-Review+1' : ''}`;
  if (index % 11 === 0) return `${header}\n\nrecheck`;
  if (index % 3 === 0) return `${header}\n\n(3 comments)\n\n${words(index, 80)}`;
  const jobs = Array.from(
    { length: 10 },
    (_, job) =>
      `- job-${job} https://logs.example.com/${sha(`log ${index} ${job}`).slice(0, 12)}/ : SUCCESS in ${job + 2}m 45s`,
  );
  return `${header}\n\nBuild succeeded (check pipeline).\n\n${jobs.join('\n')}`;
}

/** Returns an event with the fields in Gerrit's order; the same index gives the same event. */
export function recordedEvent(index: number): object {
  const type = typeOf(index);
  const eventCreatedOn = 1_795_000_000 + index;
  const number = 1000 + (index % 3000);
  const patchset = 1 + (index % 7);
  const project = PROJECTS[number % PROJECTS.length]!;
  const base = { change: changeOf(number, project), type, eventCreatedOn };
  const patchSet = patchsetOf(number, patchset);
  const who = account(index % 89);
  switch (type) {
    case 'ref-updated': {
      const refName = index % 3 === 0 ? 'refs/heads/master' : `refs/changes/${number % 100}/${number}/meta`;
      const refUpdate = { oldRev: sha(`old ${index}`), newRev: sha(`new ${index}`), refName, project };
      return { submitter: who, refUpdate, type, eventCreatedOn };
    }
    case 'comment-added':
      return {
        author: who,
        approvals: approvals(index % 5 === 0),
        comment: comment(index, patchset),
        patchSet,
        ...base,
      };
    case 'change-merged':
      return { submitter: who, newRev: patchSet.revision, patchSet, ...base };
    default:
      return { uploader: who, patchSet, ...base };
  }
}

/** Returns a recorded stream: one event per line, 2 kB on average. */
export function recordedStream(count: number): string {
  const lines: string[] = [];
  for (let index = 0; index < count; index++) lines.push(JSON.stringify(recordedEvent(index)), '\n');
  return lines.join('');
}

/** Returns the message of gerrit-events for a new patchset; each number is another trigger. */
export function patchsetMessage(number: number): object {
  const project = 'demo';
  const change = changeOf(number, project);
  const patchSet = patchsetOf(number, 1);
  const { branch, id, subject, owner, url } = change;
  return {
    topic: project,
    payload: { uploader: owner, patchSet, change, type: 'patchset-created', eventCreatedOn: 1_795_000_000 + number },
    change: {
      server: 'server',
      project,
      branch,
      number,
      patchset: 1,
      revision: patchSet.revision,
      ref: patchSet.ref,
      changeId: id,
      url,
      subject,
      owner: owner.username,
    },
    trigger: { type: 'patchset', key: 'ps', reason: 'patchset 1 was uploaded' },
  };
}
