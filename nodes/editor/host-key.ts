import { notify, textButton } from './dom.ts';
import type { Form } from './form.ts';
import { answerOf, ask } from './server.ts';
import { say } from './words.ts';

interface Address {
  host: string;
  port: string;
}

/** The pinned key, and a different one that the server has offered since. */
interface HostKeys {
  pinned: string;
  offered: string;
}

/**
 * Shows the pinned host key of the address in the form, and the offered one if it has changed.
 *
 * @returns reads the keys again
 */
export function showHostKey(form: Form): () => Promise<void> {
  const place = form.root.find('#recheck-host-key');
  let asked: string | undefined;

  const print = (key: string, kind: string, text: string): JQuery =>
    $('<div>')
      .addClass(kind)
      .append(document.createTextNode(`${say(key)} `), $('<span class="recheck-fingerprint">').text(text))
      .appendTo(place);
  const render = ({ pinned = '', offered }: Partial<HostKeys>, address: Address): void => {
    const button = (key: string, action: string): JQuery =>
      textButton(say(key), () => act(action, address)).appendTo(place);
    place.empty();
    if (!pinned && !offered) {
      place.text(say('hostKey.none'));
    } else if (!offered) {
      print('hostKey.pinned', '', pinned);
      button('hostKey.forget', 'forget');
    } else {
      place.closest('details').prop('open', true);
      $('<div class="recheck-bad">').text(say('hostKey.changed')).appendTo(place);
      print('hostKey.was', '', pinned);
      print('hostKey.is', 'recheck-caution', offered);
      button('hostKey.trust', 'accept');
    }
  };
  const act = async (action: string, address: Address): Promise<void> => {
    await ask('POST', 'host-key', { ...address, action }).catch((error: Error) => notify(error.message, 'error'));
    await update(true);
  };
  const update = async (again: boolean): Promise<void> => {
    const address: Address = { host: form.value('host'), port: form.value('port') };
    const key = `${address.host}:${address.port}`;
    if (key === asked && !again) return;
    asked = key;
    if (!address.host || key.includes('${')) {
      place.text(say('hostKey.none'));
      return;
    }
    const answer = await answerOf<HostKeys>('GET', 'host-key', address);
    if (key === asked) render(answer, address);
  };
  form.onChange(() => update(false));
  return () => update(true);
}
