// Keeps an open page up to date: after each modification on the server, the parts marked data-live are fetched again.
const now = () => Date.now() / 1000;

// The same texts as on the server, in parts.ts.
function words(seconds) {
  if (seconds < 45) return 'just now';
  if (seconds < 3570) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 84600) return `${Math.round(seconds / 3600)} h ago`;
  const days = Math.round(seconds / 86400);
  return days === 1 ? '1 day ago' : `${days} days ago`;
}

function refreshTimes() {
  for (const time of document.querySelectorAll('time[datetime]')) {
    time.textContent = words(now() - Date.parse(time.dateTime) / 1000);
  }
}

function replace(fresh) {
  const known = new Set([...document.querySelectorAll('[data-id]')].map((one) => one.dataset.id));
  const open = [...document.querySelectorAll('details[open][id]')].map((one) => one.id);
  for (const part of document.querySelectorAll('[data-live][id]')) {
    const other = fresh.getElementById(part.id);
    if (other && !part.contains(document.activeElement)) part.replaceWith(document.adoptNode(other));
    else if (other) part.innerHTML = other.innerHTML;
  }
  for (const id of open) document.getElementById(id)?.setAttribute('open', '');
  for (const one of document.querySelectorAll('[data-id]')) {
    if (!known.has(one.dataset.id)) one.classList.add('new');
  }
}

let wanted = false;
let busy = false;
async function refresh() {
  wanted = true;
  if (busy) return;
  busy = true;
  try {
    while (wanted) {
      wanted = false;
      const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
      if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), 'text/html'));
    }
  } catch {
    // The server is down; the event stream reconnects when it is back, and then refreshes.
  } finally {
    busy = false;
  }
}

const events = new EventSource('events');
let lost = false;
events.onmessage = refresh;
events.onerror = () => {
  lost = true;
};
events.onopen = () => {
  if (lost) refresh();
  lost = false;
};
setInterval(refreshTimes, 20_000);
