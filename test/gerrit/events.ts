import type { GerritEvent } from '../../lib/gerrit/types.ts';

const ann = { name: 'Ann', email: 'ann@example.com', username: 'ann' };

const change = {
  project: 'demo',
  branch: 'master',
  id: 'I0b5a01c7220e3aa6e7097ea602d576d3c79d437c',
  number: 1,
  subject: 'First',
  owner: ann,
  url: 'http://127.0.0.1:8080/c/demo/+/1',
  commitMessage: 'First\n\nChange-Id: I0b5a01c7220e3aa6e7097ea602d576d3c79d437c\n',
  createdOn: 1795364238,
  status: 'NEW',
};

const patchSet = {
  number: 2,
  revision: '479ccfd8802ff5f277ed80dcfb3fec54d72efff5',
  parents: ['552e1d862f326d8e04c7346cb0a8efa512f4cdb4'],
  ref: 'refs/changes/01/1/2',
  uploader: ann,
  createdOn: 1795364238,
  author: ann,
  kind: 'REWORK',
  sizeInsertions: 10,
  sizeDeletions: 0,
};

/** A patchset-created as Gerrit 3.13.5 sends it. */
export const uploaded = (more: object = {}): GerritEvent =>
  structuredClone({ uploader: ann, patchSet, change, type: 'patchset-created', eventCreatedOn: 1795364239, ...more });

/** A comment-added as Gerrit 3.13.5 sends it, with the raw text of `comment`. */
export const commented = (comment: string, more: object = {}): GerritEvent =>
  structuredClone({
    author: ann,
    approvals: [
      { type: 'Verified', description: 'Verified', value: '0' },
      { type: 'Code-Review', description: 'Code-Review', value: '0' },
    ],
    comment,
    patchSet,
    change,
    type: 'comment-added',
    eventCreatedOn: 1795364240,
    ...more,
  });

/** A ref-updated as Gerrit 3.13.5 sends it. */
export const refUpdated = (refName: string, more: object = {}): GerritEvent =>
  structuredClone({
    submitter: ann,
    refUpdate: {
      oldRev: '552e1d862f326d8e04c7346cb0a8efa512f4cdb4',
      newRev: '479ccfd8802ff5f277ed80dcfb3fec54d72efff5',
      refName,
      project: 'demo',
    },
    type: 'ref-updated',
    eventCreatedOn: 1795364239,
    ...more,
  });
