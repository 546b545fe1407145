import { type Html, html } from '../../../util/html.ts';
import type { SandboxGerrit } from '../../gerrit.ts';
import { accountOf, CI_USER, LABEL_NAMES } from '../model/accounts.ts';
import { type Change, isOpen, type Message, newest } from '../model/types.ts';
import { ago, button, layout, linked, statusChip, voteChip } from './parts.ts';
import { type ResultsTable, readResults } from './results-table.ts';

/** Classes of results in Gerrit's table: green, red, orange, blue; others are plain text. */
const RESULT_CLASSES: Readonly<Record<string, string>> = {
  SUCCESS: 'good',
  FAILURE: 'bad',
  ERROR: 'bad',
  RETRY_LIMIT: 'bad',
  SKIPPED: 'skipped',
  ABORTED: 'warn',
  MERGER_FAILURE: 'warn',
  NODE_FAILURE: 'warn',
  TIMED_OUT: 'warn',
  POST_FAILURE: 'warn',
  CONFIG_ERROR: 'warn',
  DISK_FULL: 'warn',
};

/** Returns the page of a change: results, log, actions, facts. @param patches diffs of its patchsets by number */
export function changePage(gerrit: SandboxGerrit, change: Change, patches: ReadonlyMap<number, string>): Html {
  const results = readResults(change.messages);
  return layout(
    `${change.number}: ${change.subject}`,
    html`<main class="change">
<div class="title"><h1><span class="quiet">${change.number}:</span> ${change.subject}</h1><span id="status" data-live>${statusChip(change)}</span></div>
<div class="columns">
<div class="story">
<section id="results" data-live>${results.length > 0 ? html`<h2>Results</h2>${results.map(resultsTable)}` : waiting(change, gerrit.ciName)}</section>
<section id="log" data-live><h2>Log</h2><ol class="log">${logEntries(change.messages)}</ol></section>
<section id="patchsets" data-live><h2>Patchsets</h2>${[...change.patchsets].reverse().map(
      (
        one,
      ) => html`<details class="card patchset" id="ps-${one.number}"><summary><strong>Patchset ${one.number}</strong> <code>${one.revision.slice(0, 8)}</code> <span class="quiet">${one.kind === 'REWORK' ? '' : `${one.kind}, `}${accountOf(one.uploader).name}, ${ago(one.createdOn)}</span></summary>
<pre class="message">${one.commitMessage.trim()}</pre><pre class="diff">${diffLines(patches.get(one.number) ?? '')}</pre></details>`,
    )}</section>
</div>
<aside>
<section class="card act"><h2>Comment</h2>
<form method="post" action="${change.number}/comment" class="comment"><label for="text" class="quiet">as Ann Developer, on the newest patchset</label>
<textarea id="text" name="text" rows="2" required maxlength="16000">${gerrit.ciName} recheck</textarea>
<button class="primary">Comment</button></form></section>
<section class="card act" id="actions" data-live><h2>New patchset</h2>${actions(change)}</section>
<section class="card facts" id="facts" data-live>${facts(gerrit, change)}</section>
</aside>
</div>
</main>`,
  );
}

const waiting = (change: Change, ciName: string): Html =>
  html`<div class="card empty">${
    isOpen(change)
      ? html`No CI has reported yet. When the flow that watches this Gerrit runs, its results appear here; comment <code>${ciName} recheck</code> to get them again.`
      : 'No CI has reported on this change.'
  }</div>`;

const resultsTable = (one: ResultsTable): Html => html`<div class="card results">
<div class="head"><span class="tick ${one.succeeded ? 'good' : 'bad'}" role="img" aria-label="${one.status}">${one.succeeded ? '✓' : '✗'}</span>
<div><strong>${one.author}</strong> on patchset <strong>${one.patchset}</strong> in pipeline <strong>${one.pipeline}</strong>
<div class="quiet">${one.status}, ${ago(one.date)}${one.rechecks > 0 && html`, ${one.rechecks} recheck${one.rechecks > 1 ? 's' : ''}`}</div></div></div>
${
  one.jobs.length === 0
    ? html`<p class="empty">The report has no job in a format that this table recognizes.</p>`
    : html`<div class="scroll"><table><thead><tr><th scope="col">Job</th><th scope="col">Result</th><th scope="col">Time</th><th scope="col">Log</th></tr></thead>
<tbody>${one.jobs.map(
        (job) => html`<tr><td class="job">${job.job}${!job.voting && html` <span class="tag">non-voting</span>`}</td>
<td><span class="result ${RESULT_CLASSES[job.result] ?? ''}">${job.result}</span>${job.error && html`<div class="quiet">${job.error}</div>`}</td>
<td class="nowrap">${job.time ?? '–'}</td>
<td>${job.link ? html`<a href="${job.link}" rel="noopener noreferrer">log</a>` : html`<span class="quiet">none</span>`}</td></tr>`,
      )}</tbody></table></div>`
}</div>`;

/** Returns the log's entries, newest first; of those with the same tag only the last is open, as in Gerrit's UI. */
function logEntries(messages: readonly Message[]): Html[] {
  const last = new Map(messages.map((message) => [message.tag, message]));
  return messages
    .map((message, index) => {
      const [head = '', ...rest] = message.message.split('\n\n');
      const [, votes = ''] = /^Patch Set \d+:(.*)$/.exec(head) ?? [];
      const isReview = head.startsWith('Patch Set ');
      const note = /^\(\d+ comments?\)$/.test(rest[0] ?? '') ? rest.shift() : undefined;
      const text = (isReview ? rest : [head, ...rest]).join('\n\n').trim();
      const replaced = message.tag !== undefined && !isOurs(message.tag) && last.get(message.tag) !== message;
      const chips = votes.trim() ? votes.trim().split(' ').map(chipOf) : [];
      const who = html`<strong>${message.authorName}</strong>${chips}`;
      const when = html`<span class="quiet when">patchset ${message.patchset}, ${ago(message.date)}</span>`;
      const body = html`${text && html`<div class="text">${linked(text)}</div>`}${(message.comments ?? []).map(
        (one) =>
          html`<div class="text">${one.file !== '/PATCHSET_LEVEL' && html`<span class="quiet">${one.file}${one.line > 0 && `:${one.line}`}</span>\n`}${linked(one.message)}</div>`,
      )}${note !== undefined && !message.comments && html`<div class="quiet">${note}</div>`}`;
      const kind = isOurs(message.tag) ? 'event' : message.author === CI_USER ? 'ci' : 'person';
      return html`<li class="card entry ${kind}" data-id="entry-${index}">${
        replaced
          ? html`<details id="old-${index}"><summary>${who}<span class="quiet">replaced by a newer report</span>${when}</summary>${body}</details>`
          : html`<div class="who">${who}${kind === 'event' && html`<span class="quiet">${text}</span>`}${when}</div>${kind !== 'event' && body}`
      }</li>`;
    })
    .reverse();
}

/** Whether Gerrit wrote a message: about an upload, an abandoned change, a merge. */
const isOurs = (tag: string | undefined): boolean => tag?.startsWith('autogenerated:gerrit:') ?? false;

/** Returns a vote from its text in a message: `Verified+1`, `-Verified`. */
function chipOf(text: string): Html {
  const [, removed, label = text, value = '0'] = /^(-?)([A-Za-z-]+?)([+-]\d+)?$/.exec(text) ?? [];
  return voteChip(label, removed ? 0 : Number(value));
}

function actions(change: Change): Html {
  const path = String(change.number);
  if (change.status === 'ABANDONED') {
    return html`<p class="quiet">This change is abandoned.</p>${button(`${path}/restore`, 'Restore')}`;
  }
  if (!isOpen(change)) return html`<p class="quiet">This change is merged.</p>`;
  return html`<div class="buttons">${button(`${path}/upload`, 'Upload good', '', { kind: 'good' })}${button(`${path}/upload`, 'Upload broken', '', { kind: 'broken' })}</div>
<div class="buttons">${button(`${path}/abandon`, 'Abandon this change', 'danger')}</div>`;
}

function facts(gerrit: SandboxGerrit, change: Change): Html {
  const last = newest(change);
  return html`<h2>Facts</h2><dl>
<dt>Owner</dt><dd>${accountOf(change.owner).name}</dd>
<dt>Branch</dt><dd><code>${change.branch}</code></dd>
<dt>Patchset</dt><dd>${last.number}, <code>${last.revision.slice(0, 8)}</code></dd>
${LABEL_NAMES.map((label) => {
  const votes = last.votes.filter((vote) => vote.label === label);
  return html`<dt>${label}</dt><dd>${
    votes.length === 0
      ? html`<span class="quiet">no votes</span>`
      : votes.map((vote) => html`<div class="voted">${voteChip('', vote.value)} ${accountOf(vote.by).name}</div>`)
  }</dd>`;
})}
<dt>Change-Id</dt><dd><code title="${change.id}">${change.id.slice(0, 12)}…</code></dd>
</dl>${gerrit.httpUrl && html`<h3>Fetch it</h3><pre class="fetch">git fetch ${gerrit.httpUrl}/${change.project} ${last.ref}</pre>`}`;
}

/** Returns a diff with its added and deleted lines marked. */
const diffLines = (patch: string): Html[] =>
  patch
    .split('\n')
    .map((line) =>
      /^\+(?!\+\+ )/.test(line)
        ? html`<ins>${line}</ins>\n`
        : /^-(?!-- )/.test(line)
          ? html`<del>${line}</del>\n`
          : /^(?:diff|index|---|\+\+\+|@@|new|deleted)/.test(line)
            ? html`<span class="quiet">${line}</span>\n`
            : html`${line}\n`,
    );
