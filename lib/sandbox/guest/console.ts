/** Writes a line to the guest's console, with the seconds since the boot as in a kernel's log. */
export function log(text: string): void {
  const seconds = process.uptime().toFixed(3).padStart(9);
  // Names and messages come from outside, and the console may be shown in a terminal.
  process.stdout.write(`[${seconds}] ${text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?')}\n`);
}
