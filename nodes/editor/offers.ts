/** Buttons that insert a word, such as a tag or a variable, into a text field. */

/** A titled group of words. */
export interface Offer {
  title: string;
  items: OfferedWord[];
}

/** A word that can be inserted. */
export interface OfferedWord {
  /** Label of its button. */
  text: string;
  /** Tooltip of its button. */
  title: string;
  /** The text to insert, if it differs from the label. */
  insert?: string;
}

/** Shows the words as buttons; a click calls `put` with the text to insert. Groups without words are left out. */
export function showOffers(place: JQuery, groups: readonly Offer[], put: (text: string) => void): void {
  place.addClass('recheck-offers').empty();
  for (const { title, items } of groups.filter((group) => group.items.length > 0)) {
    $('<h5>').text(title).appendTo(place);
    const chips = $('<div class="recheck-chips">').appendTo(place);
    for (const item of items) {
      $('<button type="button" class="recheck-chip">')
        .text(item.text)
        .attr('title', item.title)
        .on('click', () => put(item.insert ?? item.text))
        .appendTo(chips);
    }
  }
}

/** Returns a function that inserts a text at the cursor of the field that had the focus last. */
export function intoLastUsed(fields: JQuery): (text: string) => void {
  let last = fields.first();
  fields.on('focus', (event) => {
    last = $(event.target);
  });
  return (text) => {
    const element = last[0] as HTMLInputElement;
    element.focus();
    element.setRangeText(text, element.selectionStart ?? 0, element.selectionEnd ?? 0, 'end');
    last.trigger('change');
  };
}
