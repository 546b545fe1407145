import { copyable, iconLine } from './dom.ts';
import type { Form } from './form.ts';
import { ask } from './server.ts';

/** What Node-RED sends to the editor in place of a stored secret. */
export const STORED = '__PWRD__';

/**
 * Shows the private key of a connection: pasted, newly generated, or stored. The editor never receives a stored key, so
 * it can only be kept or replaced.
 */
export function showPrivateKey(form: Form): void {
  const field = form.field('privateKey');
  const part = (name: string): JQuery => form.root.find(`#recheck-key-${name}`);
  const keep = part('keep');
  const made = part('public');
  const isStored = field.val() === STORED;
  const show = (hidden: boolean): void => {
    part('stored').prop('hidden', !hidden);
    field.prop('hidden', hidden);
    keep.prop('hidden', hidden || !isStored);
    form.later();
  };
  part('replace').on('click', () => {
    field.val('');
    show(false);
    field.trigger('focus');
  });
  keep.on('click', () => {
    field.val(STORED);
    made.prop('hidden', true);
    show(true);
  });
  part('make').on('click', async () => {
    made.empty().prop('hidden', false);
    try {
      const { privateKey = '', publicKey = '' } = await ask<Record<'privateKey' | 'publicKey', string>>('POST', 'keys');
      field.val(privateKey);
      show(false);
      $('<div>').text(form.say('hint.publicKey')).appendTo(made);
      copyable(publicKey.trim()).appendTo(made);
    } catch (error) {
      iconLine(made, 'fa-times', 'recheck-bad', (error as Error).message);
    }
  });
  show(isStored);
}
