import type { StepRecord } from '../../model/build.ts';
import type { Result } from '../../model/result.ts';
import { formatDuration } from '../../util/format.ts';
import { type Html, html } from '../../util/html.ts';
import { CONSOLE_FILE, CONSOLE_PAGE } from '../layout.ts';
import type { BuildPage, FileEntry } from '../types.ts';
import { timeWithAgo } from './ago.ts';
import { fileTree } from './file-tree.ts';
import { pageHead, safeUrl, styles } from './page-head.ts';
import { resultWords } from './result-words.ts';
import { timeline } from './timeline.ts';

const STYLE = styles('build.css', 'timeline.css');
/** Seconds after which the page of a running build is reloaded. */
const REFRESH_SECONDS = 5;

const link = (url: string | undefined, text: string): Html => {
  const safe = safeUrl(url);
  return safe === undefined ? html`${text}` : html`<a href="${safe}">${text}</a>`;
};

const consoleAt = (line: number | undefined, text: string): Html =>
  html`<a href="${CONSOLE_PAGE}${line !== undefined && `#L${line}`}">${text}</a>`;

function subject({ change }: BuildPage): { short: string; full: Html } {
  if (change.number === undefined) {
    const short = `${change.ref ?? change.branch ?? change.project}${change.revision ? ` at ${change.revision.slice(0, 12)}` : ''}`;
    return { short, full: link(change.url, short) };
  }
  const short = `${change.number}${change.patchset === undefined ? '' : `,${change.patchset}`}`;
  return { short, full: html`${link(change.url, `change ${short}`)}${change.subject && html` “${change.subject}”`}` };
}

const fact = (name: string, value: Html | string | undefined): Html | undefined =>
  value === undefined ? undefined : html`<div><dt>${name}</dt><dd>${value}</dd></div>\n`;

function facts(page: BuildPage, end: number): Html {
  const { build, change } = page;
  const guests = Object.entries(build.guests);
  const where = guests.map(
    ([name, guest]) =>
      html`<span class="guest"><b>${name}</b> · image ${guest.image} · on ${guest.host}${guest.address && html` · ${guest.address}`}</span>`,
  );
  return html`<dl>
${fact('change', subject(page).full)}${fact('project', html`${change.project}${change.branch && html` <small>on</small> ${change.branch}`}`)}${fact('owner', change.owner)}${fact('trigger', page.reason || undefined)}${fact('started', timeWithAgo(build.startedAt))}${page.endedAt === undefined ? undefined : fact('ended', timeWithAgo(page.endedAt))}${fact(page.endedAt === undefined ? 'running for' : 'duration', formatDuration(end - Date.parse(build.startedAt)))}${where.length > 0 && fact('guests', html`${where}`)}${fact('attempt', String(build.attempt))}${fact('pipeline', build.pipeline)}${fact('build', html`<code>${build.id}</code>`)}</dl>
`;
}

/** Returns how a step's script ended, if not with 0: `exit 1`, `signal KILL`. */
const exitWords = (step: StepRecord): string | undefined =>
  step.signal ? `signal ${step.signal}` : step.exitCode ? `exit ${step.exitCode}` : undefined;

/** Returns what a result means; of a failed build, which step failed and how. */
function meaningOf(result: Result, steps: readonly StepRecord[]): string {
  const step = result === 'FAILURE' ? steps.find((one) => one.result === result) : undefined;
  if (step === undefined) return resultWords(result).words;
  return `${step.name}: ${exitWords(step) ?? 'failed'}`;
}

function stepRow(step: StepRecord): Html {
  const { tone } = resultWords(step.result);
  const code = exitWords(step);
  return html`<tr><td><span class="dot ${tone}"></span>${step.name}${step.guest && html` <small>on ${step.guest}</small>`}${step.message && html`<p>${step.message}</p>`}</td><td class="${tone}">${step.result}${code && html` <small>${code}</small>`}</td><td>${formatDuration(step.duration)}</td><td>${step.line !== undefined && consoleAt(step.line, `line ${step.line}`)}</td></tr>
`;
}

function steps(page: BuildPage): Html {
  const { build, running } = page;
  const now = page.endedAt === undefined && running;
  if (build.steps.length === 0 && !now) return html`<p class="none">No step has run yet.</p>`;
  return html`<table>
<thead><tr><th>step</th><th>result</th><th>duration</th><th>console</th></tr></thead>
<tbody>
${build.steps.map(stepRow)}${now && html`<tr><td><span class="dot now"></span>${running}</td><td class="calm">running</td><td></td><td>${consoleAt(undefined, 'console')}</td></tr>\n`}</tbody>
</table>`;
}

/** Returns the last lines of the first step that failed. */
function failure({ build }: BuildPage): Html | undefined {
  const step = build.steps.find(({ tail }) => tail !== undefined && tail.length > 0);
  if (step?.tail === undefined) return undefined;
  return html`<section>
<h2>Failure <small>last lines of “${step.name}”</small></h2>
<pre class="tail">${step.tail.slice(-20).join('\n')}</pre>
<p class="more">${consoleAt(step.line, 'See this step in the console')}</p>
</section>
`;
}

function again({ recheck, manualCommands }: BuildPage): Html | undefined {
  if (!recheck && !manualCommands?.length) return undefined;
  return html`<section>
<h2>Run it again</h2>
${recheck !== undefined && html`<p>Comment on the change: <code>${recheck}</code></p>\n`}${manualCommands !== undefined && manualCommands.length > 0 && html`<p>Or boot the same guest manually:</p>\n<pre class="tail">${manualCommands.join('\n')}</pre>\n`}</section>
`;
}

/** Returns the page of a build. @param now milliseconds since the epoch */
export function buildPage(page: BuildPage, files: readonly FileEntry[], now: number): string {
  const { build } = page;
  const ended = page.endedAt !== undefined;
  const start = Date.parse(build.startedAt);
  const end = page.endedAt === undefined ? now : Date.parse(page.endedAt);
  const result = ended ? (build.result ?? 'SUCCESS') : build.result;
  const tone = result ? resultWords(result).tone : 'calm';
  const meaning = result && meaningOf(result, build.steps);
  const words = ended
    ? meaning
    : page.running
      ? `Running: ${page.running}`
      : meaning
        ? `${meaning.replace(/\.$/, '')}. Finishing.`
        : 'Running.';
  const title = `${build.job}: ${result ?? 'running'}, ${subject(page).short}`;
  return html`${pageHead(title, STYLE, ended ? undefined : REFRESH_SECONDS)}<body>
<main>
<header class="${tone}">
<p class="badge">${ended ? result : html`<span class="pulse"></span>${result ?? 'RUNNING'}`}</p>
<h1>${build.job}${!build.voting && html` <small>non-voting</small>`}</h1>
<p class="words">${words}</p>
<nav><a class="button" href="${CONSOLE_PAGE}">Console</a><a href="${CONSOLE_FILE}">raw</a>${!ended && html`<a href="./">reload</a>`}</nav>
</header>
${facts(page, end)}
<section>
<h2>Timeline</h2>
${timeline(start, end, build.steps, ended ? undefined : page.running)}
</section>
${failure(page)}<section>
<h2>Steps</h2>
${steps(page)}
</section>
<section>
<h2>Files</h2>
${fileTree(files)}
</section>
${again(page)}</main>
<footer>Recheck · <a href="build.json">build.json</a></footer>
</body>
</html>
`.text;
}
