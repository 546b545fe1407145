/** The state of the deployed image on each worker host. */
import { notify, textButton } from '../editor/dom.ts';
import type { EditorNode } from '../editor/editor-node.ts';
import type { Form } from '../editor/form.ts';
import { type Answer, answerOf } from '../editor/server.ts';

/** Intervals of the requests for the state, while an image is being built and otherwise. */
const BUSY_INTERVAL_MS = 1500;
const IDLE_INTERVAL_MS = 10_000;
/** How much of the end of a console the form shows. */
const CONSOLE_TAIL_BYTES = 64 << 10;
/** How long the browser keeps the text of a console that was opened in a new tab. */
const OBJECT_URL_LIFETIME_MS = 60_000;
/** Maximum distance from the end at which a console scrolls along with new output. */
const FOLLOW_DISTANCE_PX = 20;

const ICONS = {
  there: 'fa-check recheck-good',
  absent: 'fa-circle-thin',
  making: 'fa-spinner fa-pulse',
  failed: 'fa-times recheck-bad',
  unknown: 'fa-question recheck-caution',
};

/** State of an image on a worker, from the runtime. */
interface WorkerImage {
  /** Id of the worker-host. */
  worker: string;
  label: string;
  state: keyof typeof ICONS;
  text?: string;
  since?: number;
  /** Whether the console of its last build exists. */
  console: boolean;
}

/**
 * Reads a console. A link to it would not work if Node-RED requires a login, because only the editor's own requests are
 * authenticated.
 */
const readConsole = (node: EditorNode, worker: string, more = ''): PromiseLike<string> =>
  $.ajax({
    url: `recheck/images/${node.id}/console?worker=${encodeURIComponent(worker)}${more}`,
    dataType: 'text',
  });

async function openConsole(node: EditorNode, worker: string): Promise<void> {
  const text = await readConsole(node, worker);
  const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  window.open(url, '_blank', 'noopener');
  setTimeout(() => URL.revokeObjectURL(url), OBJECT_URL_LIFETIME_MS);
}

const notifyFailure = (error: { responseText?: string; message?: string }): void => {
  notify(error.responseText || error.message || '', 'error');
};

/** Makes the view of a console, initially hidden, and the button that shows it. */
function makeConsole(form: Form, worker: string, place: JQuery) {
  const { node } = form;
  const shown = $('<div hidden>').appendTo(place);
  const text = $('<pre class="recheck-console" tabindex="0">').appendTo(shown);
  const whole = textButton(form.say('button.whole'), () => openConsole(node, worker).catch(notifyFailure));
  whole.appendTo(shown).wrap('<div style="padding-bottom: 8px">');
  const refresh = async (): Promise<void> => {
    if (shown.prop('hidden')) return;
    const tail = await readConsole(node, worker, `&tail=${CONSOLE_TAIL_BYTES}`);
    const element = text[0]!;
    const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < FOLLOW_DISTANCE_PX;
    text.text(tail);
    if (isAtEnd) text.scrollTop(element.scrollHeight);
  };
  const button = textButton(form.say('button.show'), () => {
    const hide = !shown.prop('hidden');
    shown.prop('hidden', hide);
    button.text(form.say(hide ? 'button.show' : 'button.hide'));
    refresh().catch(notifyFailure);
  });
  return { button, refresh };
}

interface WorkerRow {
  update(now: WorkerImage): void;
}

/** Makes the row of a worker. `poll` requests the state again. */
function makeWorkerRow(form: Form, place: JQuery, worker: string, poll: () => void): WorkerRow {
  const row = $('<div class="recheck-worker">').appendTo(place);
  const icon = $('<i>');
  const words = $('<span>');
  const state = $('<span class="recheck-state" role="status">').append(icon, ' ', words);
  const detail = $('<div class="recheck-hint recheck-why">').appendTo(row);
  const console = makeConsole(form, worker, row);
  const build = textButton(form.say('button.build'), async () => {
    build.prop('disabled', true);
    const answer = await answerOf('POST', `images/${form.node.id}/build`, { worker });
    if (!answer.ok) notify(answer.error ?? '', 'error');
    poll();
  });
  $('<div class="recheck-line">').append(state, build, console.button).prependTo(row);
  return {
    update({ state, label, text = '', since = Date.now(), console: hasConsole }) {
      icon.attr('class', `fa ${ICONS[state]}`);
      const minutes = Math.max(0, Math.floor((Date.now() - since) / 60_000));
      words.text(form.say(`state.${state}`, { worker: label, text, minutes }));
      const why = state === 'failed' || state === 'unknown' ? text : '';
      detail.text(why).prop('hidden', !why);
      build.prop('disabled', state === 'there' || state === 'making');
      console.button.prop('hidden', !hasConsole);
      console.refresh().catch(() => undefined);
    },
  };
}

/** Shows the state of the image on each worker host in the element `recheck-workers` while the form is open. */
export function showWorkers(form: Form): void {
  const place = form.root.find('#recheck-workers');
  const rows = new Map<string, WorkerRow>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOpen = true;
  const show = ({ error, workers = [] }: Answer<{ workers: WorkerImage[] }>): void => {
    if (error || workers.length === 0) {
      rows.clear();
      place.empty().append($('<span class="recheck-hint">').text(error ?? form.say('hint.noWorkers')));
      return;
    }
    if (rows.size === 0) place.empty();
    for (const now of workers) {
      const row = rows.get(now.worker) ?? makeWorkerRow(form, place, now.worker, poll);
      rows.set(now.worker, row);
      row.update(now);
    }
  };
  const poll = async (): Promise<void> => {
    clearTimeout(timer);
    const isDeployed = RED.nodes.node(form.node.id) && !form.node.changed;
    const answer = isDeployed
      ? await answerOf<{ workers: WorkerImage[] }>('GET', `images/${form.node.id}`)
      : { error: form.say('hint.undeployed') };
    if (!isOpen) return;
    show(answer);
    const isBusy = answer.workers?.some(({ state }) => state === 'making');
    clearTimeout(timer);
    if (isDeployed) timer = setTimeout(poll, isBusy ? BUSY_INTERVAL_MS : IDLE_INTERVAL_MS);
  };
  void poll();
  form.part('workers', {
    dispose: () => {
      isOpen = false;
      clearTimeout(timer);
    },
  });
}
