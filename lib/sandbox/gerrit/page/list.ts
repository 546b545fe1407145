import { type Html, html } from '../../../util/html.ts';
import type { SandboxGerrit } from '../../gerrit.ts';
import { accountOf } from '../model/accounts.ts';
import { type Change, newest } from '../model/types.ts';
import { ago, button, layout, signed, statusChip, verdict } from './parts.ts';

/** Returns the page with all changes, newest first. */
export function listPage(gerrit: SandboxGerrit): Html {
  const changes = gerrit.changes().reverse();
  return layout(
    'Changes',
    html`<main class="list">
<div class="title"><h1>Changes</h1>
<div class="buttons">${button('upload', 'Upload a good patchset', 'primary', { kind: 'good' })}${button('upload', 'Upload a broken one', '', { kind: 'broken' })}</div></div>
<section id="changes" data-live>${
      changes.length === 0
        ? html`<p class="empty">No changes yet. Upload a patchset: the CI in your flow picks it up, and its review appears here.</p>`
        : table(changes)
    }</section>
<p class="quiet">Uploads and comments on this page are by Ann Developer. The CI is the account <code>${gerrit.ciName}</code>; its reviews appear automatically.</p>
</main>`,
  );
}

const table = (changes: readonly Change[]): Html => html`<div class="card scroll"><table class="changes">
<thead><tr><th scope="col">#</th><th scope="col">Subject</th><th scope="col">Status</th><th scope="col">Owner</th><th scope="col" class="num">Patchset</th><th scope="col">Updated</th><th scope="col" class="vote">Verified</th></tr></thead>
<tbody>${changes.map(
  (change) => html`<tr data-id="change-${change.number}-${change.updatedOn}">
<td class="num quiet">${change.number}</td>
<td class="subject"><a href="${change.number}">${change.subject}</a></td>
<td>${statusChip(change)}</td>
<td class="nowrap">${accountOf(change.owner).name}</td>
<td class="num">${newest(change).number}</td>
<td class="nowrap quiet">${ago(change.updatedOn)}</td>
<td class="vote">${vote(verdict(newest(change), 'Verified'))}</td></tr>`,
)}</tbody></table></div>`;

const vote = (value: number): Html =>
  value === 0
    ? html`<span class="quiet" title="no vote on the newest patchset">–</span>`
    : html`<span class="chip ${value > 0 ? 'good' : 'bad'}">${signed(value)}</span>`;
