import { ratio, spread } from './stats.ts';

/** A figure that a bench takes of each server. */
export interface Column {
  key: string;
  title: string;
  digits: number;
  /** Whether Muster's figure divided by each peer's is worth printing. */
  compare: boolean;
}

/** One server's figures: a list per column, one value a round. */
export interface Row {
  name: string;
  version: string;
  conditions: string;
  figures: Record<string, number[]>;
}

/** What a bench found. */
export interface Report {
  name: string;
  title: string;
  columns: readonly Column[];
  rows: Row[];
  notes: string[];
}

/** Several runs of one bench as its rounds. */
export function merged(reports: readonly Report[]): Report {
  const [first, ...others] = reports as [Report, ...Report[]];
  const rows = first.rows.map((row) => {
    const same = [row, ...others.flatMap(({ rows: all }) => all.filter(({ name }) => name === row.name))];
    const keys = [...new Set(same.flatMap(({ figures }) => Object.keys(figures)))];
    const figures = keys.map((key) => [key, same.flatMap((one) => one.figures[key] ?? [])] as const);
    return { ...row, figures: Object.fromEntries(figures) };
  });
  return { ...first, rows, notes: [...new Set(reports.flatMap(({ notes }) => notes))] };
}

/** `median (min–max)` of a figure over its rounds. */
export function cell(values: readonly number[] | undefined, digits: number): string {
  const { median, min, max, rounds } = spread(values ?? []);
  if (rounds === 0) return '–';
  if (rounds === 1) return median.toFixed(digits);
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}

/** Absolute figures, one line each; a header with the servers first. */
export function absolute(report: Report): string[][] {
  const header = ['', ...report.rows.map(({ name }) => name)];
  const lines = report.columns.map(({ key, title, digits }) => [
    title,
    ...report.rows.map(({ figures }) => cell(figures[key], digits)),
  ]);
  return [header, ...lines];
}

/** The names under which Muster runs: standalone and as a pool. */
export const OURS = ['muster', 'muster-pool'];

/** Medians of `our` row of Muster divided by each peer's; empty where it or peers are missing. */
export function relative(report: Report, our = 'muster'): string[][] {
  const ours = report.rows.find(({ name }) => name === our);
  const theirs = report.rows.filter((row) => row !== ours);
  if (!ours || theirs.length === 0) return [];
  const median = (row: Row, key: string) => spread(row.figures[key] ?? []).median;
  const lines = report.columns
    .filter(({ compare }) => compare)
    .map(({ key, title }) => [
      title,
      ...theirs.map((row) => times(ratio(median(ours, key), median(row, key)))),
    ]);
  return [[`${our}, as a multiple of`, ...theirs.map(({ name }) => name)], ...lines];
}

function times(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(2)} ×` : '–';
}

/** A table in Markdown. */
export function markdown(rows: readonly string[][]): string {
  const [header = [], ...body] = rows;
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = line(header.map((_, at) => (at === 0 ? '---' : '---:')));
  return [line(header), rule, ...body.map(line)].join('\n');
}
