/** Words that a form offers to put into a text. */

/** A group of words under a title. */
export interface Offer {
  title: string;
  items: OfferedWord[];
}

export interface OfferedWord {
  /** As it is shown. */
  text: string;
  /** Its tooltip. */
  title: string;
  /** What is put in for it, if that is not the word itself. */
  insert?: string;
}

/** Shows words as buttons; `put(text)` puts one in. */
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

/** Returns what puts a text at the cursor of whichever of the fields was used last. */
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
