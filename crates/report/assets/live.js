// Keeps the page of `observe --web` up to date: each event has all of it, so that one that was missed is no loss.
(() => {
  'use strict';
  const place = (id) => document.getElementById(id);
  const events = new EventSource('events');
  let faults = null;
  events.addEventListener('message', (event) => {
    const told = JSON.parse(event.data);
    place('title').textContent = told.title || 'A run that begins';
    place('state').textContent = told.state;
    place('step').textContent = told.step;
    place('table').textContent = told.table;
    if (told.faults !== faults) {
      faults = told.faults;
      const host = place('fault-table');
      const hadFocus = host.contains(document.activeElement);
      host.innerHTML = faults;
      if (hadFocus) host.querySelector('[tabindex]')?.focus({ preventScroll: true });
    }
    window.erlmcp.update(told.series);
  });
  events.addEventListener('error', () => {
    // It is closed where it was answered, and not with events.
    const isRefused = events.readyState === EventSource.CLOSED;
    place('state').textContent = isRefused
      ? 'refused by erlmcp observe: too many pages look already, or it has another address now; close one, and load this page again'
      : 'no connection to erlmcp observe: what stands here is old';
  });
})();
