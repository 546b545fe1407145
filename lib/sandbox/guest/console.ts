/** Writes one line to the guest's console, with the seconds since it was switched on as a kernel's log has them. */
export function log(text: string): void {
  const seconds = process.uptime().toFixed(3).padStart(9);
  // Names and messages come from outside: no control character of theirs reaches a terminal that shows the console.
  process.stdout.write(`[${seconds}] ${text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?')}\n`);
}
