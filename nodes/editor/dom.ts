/** Small pieces of forms. */
import { say } from './words.ts';

/** Milliseconds that a notification is shown. */
const NOTIFICATION_TIMEOUT_MS = 5000;

type Content = JQuery | JQuery[];

/** Shows a notification. Node-RED takes a string as HTML, and the words may hold what Gerrit or a guest sent. */
export function notify(words: string, type: 'success' | 'warning' | 'error'): void {
  RED.notify($('<span>').text(words), { type, timeout: NOTIFICATION_TIMEOUT_MS });
}

/** Makes a small button with an icon of Font Awesome and a tooltip. */
export function iconButton(icon: string, title: string, click: () => void): JQuery {
  const button = $('<button type="button" class="red-ui-button red-ui-button-small">')
    .append($('<i>').addClass(`fa ${icon}`))
    .on('click', click);
  RED.popover.tooltip(button, title);
  return button;
}

/** Makes a small button with words on it. */
export const textButton = (words: string, click: () => void): JQuery =>
  $('<button type="button" class="red-ui-button red-ui-button-small">').text(words).on('click', click);

/** Makes a button that copies what `text` returns at that moment. */
export const copyButton = (text: () => string): JQuery =>
  $('<button type="button" class="red-ui-button red-ui-button-small">')
    .append('<i class="fa fa-clipboard"></i> ', document.createTextNode(say('copy')))
    .on('click', (event) => {
      RED.clipboard.copyText(text(), $(event.currentTarget), 'clipboard.copyMessageValue');
    });

/** Makes the button at the end of a list's row that unfolds more of its fields. */
export function foldButton(icon: string, title: string): JQuery {
  const button = $('<button type="button" class="red-ui-button red-ui-button-small recheck-fit">')
    .append($('<i>').addClass(`fa ${icon}`))
    .attr('aria-label', title);
  RED.popover.tooltip(button, title);
  return button;
}

/** Appends a line of text with an icon; `kind` is a class such as `recheck-good`. */
export const iconLine = (place: JQuery, icon: string, kind: string, text: string): JQuery =>
  $('<div>')
    .append($('<i>').addClass(`fa ${icon} ${kind}`), document.createTextNode(text))
    .appendTo(place);

/** Makes a text and what can be copied of it, side by side. */
export const copyable = (shown: string, copied = shown): JQuery =>
  $('<div class="recheck-public">').append(
    $('<span class="recheck-fingerprint">').text(shown),
    copyButton(() => copied),
  );

/** Makes a row of a form: a label and its fields. */
export const formRow = (label: string, content: Content, kind = ''): JQuery =>
  $('<div>').addClass(`form-row ${kind}`.trim()).append($('<label>').text(label)).append(content);

/** Makes a box to tick with its label. */
export const tick = (box: JQuery, label: string, kind = ''): JQuery =>
  $('<label>').addClass(`recheck-tick ${kind}`.trim()).append(box, document.createTextNode(label));

/** Makes the place below a list's row where the reasons stand why it is wrong. */
export const reasonPlace = (): JQuery => $('<div class="recheck-reason recheck-row-reason" role="alert" hidden>');

/** Shows words in a place, or hides it if there are none. */
export const showWords = (place: JQuery, words: string | undefined): void => {
  place.text(words ?? '').prop('hidden', !words);
};
