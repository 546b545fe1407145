import { copyable, iconLine } from '../editor/dom.ts';
import type { Form } from '../editor/form.ts';
import { answerOf } from '../editor/server.ts';

/** Result of one check on a host. */
interface Check {
  what: string;
  ok: boolean;
  detail: string;
  /** The command that fixes it. */
  fix?: string;
}

/** Returns the icon of a check and the CSS class of its colour. A check that passed and has a fix could be better. */
function markOf({ ok, fix }: Check): [string, string] {
  if (!ok) return ['fa-times', 'recheck-bad'];
  return fix ? ['fa-exclamation-triangle', 'recheck-caution'] : ['fa-check', 'recheck-good'];
}

function showCheck(form: Form, place: JQuery, check: Check): void {
  const [icon, kind] = markOf(check);
  const mark = $('<i>')
    .addClass(`fa ${icon} ${kind}`)
    .attr('aria-label', form.say(`mark.${kind}`));
  const subject = $('<b>').text(form.say(`check.${check.what}`));
  const row = $('<div class="recheck-check">').append(mark, subject, $('<span>').text(check.detail)).appendTo(place);
  if (check.fix) copyable(check.fix.replaceAll(' && ', ' &&\n'), check.fix).appendTo(row);
}

/** Sets up the button "Check this host", which shows the results below it. */
export function makeCheckButton(form: Form): void {
  const button = form.root.find('#recheck-check');
  const place = form.root.find('#recheck-checks');
  button.on('click', async () => {
    button.prop('disabled', true);
    place.prop('hidden', false).empty();
    iconLine(place, 'fa-spinner fa-pulse', '', form.say('hint.checking'));
    const names = Object.keys(form.node._def.defaults);
    const config = Object.fromEntries(names.map((name) => [name, form.value(name)]));
    const answer = await answerOf<{ checks: Check[] }>('POST', 'check/worker-host', { id: form.node.id, config });
    place.empty();
    if (answer.checks) for (const check of answer.checks) showCheck(form, place, check);
    else iconLine(place, 'fa-times', 'recheck-bad', answer.error ?? '');
    button.prop('disabled', false);
  });
}
