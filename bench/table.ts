import type { Row } from './measure.ts';

/** Prints the rows as one table, followed by the raw figures of each. */
export function printTable(rows: readonly Row[]): void {
  const cells = [
    ['', 'measured', 'value', 'goal', ''],
    ...rows.map(({ what, value, goal, met }, index) => [
      String(index + 1),
      what,
      value,
      goal ?? 'none set',
      met === undefined ? '' : met ? 'met' : 'MISSED',
    ]),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const line = (row: string[]): string => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ');
  console.log([line(cells[0]!), '-'.repeat(line(cells[0]!).length), ...cells.slice(1).map(line)].join('\n'));
  for (const [index, { figures }] of rows.entries()) {
    console.log(`\n${index + 1}\n${figures.map((figure) => `  ${figure}`).join('\n')}`);
  }
}
