/** One table of all that was measured, in Markdown that reads well in a terminal too. */
import type { Registry, RegistryId } from './registries.ts'
import type { Figure, Row, Unit } from './rows/row.ts'

/** The result of one row with one server in one round. */
export interface Outcome {
  readonly row: string
  readonly registry: RegistryId
  readonly round: number
  readonly figures: readonly Figure[]
  /** Why there are no figures. */
  readonly failure?: string
}

const moreIsBetter: readonly string[] = ['requests/s', 'pushes/s', 'events/s', 'tags/s', 'GB/s']

/** Rows of work, a column a registry (median, and the least to the most of the rounds), then how many times better the
 *  first registry is than each of the others. Failures follow below, with their reasons. */
export function formatTable(
  rows: readonly Row[],
  registries: readonly Registry[],
  outcomes: readonly Outcome[],
): string {
  const header = [
    'work',
    'unit',
    ...registries.map(({ title }) => title),
    ...registries.slice(1).map(({ title }) => `× ${title}`),
  ]
  const lines = rows.flatMap((row) => {
    const ofRow = outcomes.filter((outcome) => outcome.row === row.id)
    return figureKinds(ofRow).map(({ label, unit }, index) => {
      const values = registries.map((registry) => valuesIn(ofRow, registry, label))
      const times = values.slice(1).map((other) => advantage(unit, values[0]!, other))
      return [index === 0 ? row.title : `· ${label}`, unit, ...values.map(formatValues), ...times]
    })
  })
  return [...align([header, ...lines]), ...formatFailures(outcomes)].join('\n')
}

/** The figures of a row, by the first registry that succeeded; if all failed, a line without values keeps its
 *  place. */
function figureKinds(outcomes: readonly Outcome[]): { label: string; unit: Unit | '' }[] {
  const done = outcomes.find(({ failure }) => failure === undefined)
  return done ? [...done.figures] : [{ label: '', unit: '' }]
}

/** The figure's values in all rounds, in order of size; none if the row failed in any of them. */
function valuesIn(outcomes: readonly Outcome[], registry: Registry, label: string): number[] {
  const ofRegistry = outcomes.filter((outcome) => outcome.registry === registry.id)
  if (ofRegistry.some((outcome) => outcome.failure !== undefined)) return []
  return ofRegistry
    .flatMap(({ figures }) => figures.filter((figure) => figure.label === label).map(({ value }) => value))
    .filter((value) => Number.isFinite(value))
    .sort((a, b) => a - b)
}

/** The median of sorted values; `NaN` of none. */
export function median(sorted: readonly number[]): number {
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
}

function formatValues(sorted: readonly number[]): string {
  if (sorted.length === 0) return '–'
  if (sorted.length === 1) return formatNumber(sorted[0]!)
  return `${formatNumber(median(sorted))} (${formatNumber(sorted[0]!)}–${formatNumber(sorted.at(-1)!)})`
}

function advantage(unit: Unit | '', subject: readonly number[], other: readonly number[]): string {
  const ratio = moreIsBetter.includes(unit)
    ? median(subject) / median(other)
    : median(other) / median(subject)
  return Number.isFinite(ratio) ? formatNumber(ratio) : '–'
}

const numbers = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })

function formatNumber(value: number): string {
  return numbers.format(value)
}

function align(cells: readonly string[][]): string[] {
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)))
  const format = (line: readonly string[]): string =>
    `| ${line.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (column < 2 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [format(cells[0]!), rule, ...cells.slice(1).map(format)]
}

function formatFailures(outcomes: readonly Outcome[]): string[] {
  const failures = outcomes.filter(({ failure }) => failure !== undefined)
  if (failures.length === 0) return []
  return [
    '',
    'Failed:',
    ...failures.map(
      ({ row, registry, round, failure }) => `- ${row}, ${registry}, round ${round}: ${failure}`,
    ),
  ]
}
