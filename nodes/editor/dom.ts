/** Helpers that make the elements of a form. */
import { say } from './words.ts';

/** How long a notification stays on the screen. */
const NOTIFICATION_TIMEOUT_MS = 5000;

type Content = JQuery | JQuery[];

/**
 * Shows a notification. Node-RED would insert a string as HTML, and the text may contain what Gerrit or a guest sent.
 */
export function notify(words: string, type: 'success' | 'warning' | 'error'): void {
  RED.notify($('<span>').text(words), { type, timeout: NOTIFICATION_TIMEOUT_MS });
}

/** Makes a small button with a Font Awesome icon such as `fa-plus` and a tooltip. */
export function iconButton(icon: string, title: string, click: () => void): JQuery {
  const button = $('<button type="button" class="red-ui-button red-ui-button-small">')
    .append($('<i>').addClass(`fa ${icon}`))
    .on('click', click);
  RED.popover.tooltip(button, title);
  return button;
}

/** Makes a small button with a text label. */
export const textButton = (words: string, click: () => void): JQuery =>
  $('<button type="button" class="red-ui-button red-ui-button-small">').text(words).on('click', click);

/** Makes a button that calls `text` when it is clicked and copies the result to the clipboard. */
export const copyButton = (text: () => string): JQuery =>
  $('<button type="button" class="red-ui-button red-ui-button-small">')
    .append('<i class="fa fa-clipboard"></i> ', document.createTextNode(say('copy')))
    .on('click', (event) => {
      RED.clipboard.copyText(text(), $(event.currentTarget), 'clipboard.copyMessageValue');
    });

/** Makes the button at the end of a row that expands its other fields. */
export function foldButton(icon: string, title: string): JQuery {
  const button = $('<button type="button" class="red-ui-button red-ui-button-small recheck-fit">')
    .append($('<i>').addClass(`fa ${icon}`))
    .attr('aria-label', title);
  RED.popover.tooltip(button, title);
  return button;
}

/** Appends a line of text with an icon; `kind` is a CSS class such as `recheck-good`. */
export const iconLine = (place: JQuery, icon: string, kind: string, text: string): JQuery =>
  $('<div>')
    .append($('<i>').addClass(`fa ${icon} ${kind}`), document.createTextNode(text))
    .appendTo(place);

/** Makes a text with a button that copies it, or copies `copied` instead. */
export const copyable = (shown: string, copied = shown): JQuery =>
  $('<div class="recheck-public">').append(
    $('<span class="recheck-fingerprint">').text(shown),
    copyButton(() => copied),
  );

/** Makes a form row: a label and its fields. `kind` is an additional CSS class. */
export const formRow = (label: string, content: Content, kind = ''): JQuery =>
  $('<div>').addClass(`form-row ${kind}`.trim()).append($('<label>').text(label)).append(content);

/** Wraps a checkbox in its label. `kind` is an additional CSS class. */
export const tick = (box: JQuery, label: string, kind = ''): JQuery =>
  $('<label>').addClass(`recheck-tick ${kind}`.trim()).append(box, document.createTextNode(label));

/** Makes the hidden element below a list row that shows the row's errors. */
export const reasonPlace = (): JQuery => $('<div class="recheck-reason recheck-row-reason" role="alert" hidden>');

/** Shows a text in an element, or hides the element if there is no text. */
export const showWords = (place: JQuery, words: string | undefined): void => {
  place.text(words ?? '').prop('hidden', !words);
};
