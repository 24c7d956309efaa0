/** The command line of the bench. */
import { parseArgs } from 'node:util'
import { type RegistryId, registryIds } from './registries.ts'
import { processRows } from './rows/process.ts'
import { pullRows } from './rows/pulls.ts'
import { pushRows } from './rows/pushes.ts'
import type { Row, Time } from './rows/row.ts'

export interface Options extends Time {
  readonly rows: readonly Row[]
  readonly registries: readonly RegistryId[]
  readonly rounds: number
  /** Runs Entrepot from its build. */
  readonly dist: boolean
  /** A file for all that was measured. */
  readonly json: string | undefined
  readonly help: boolean
}

/** The command line is wrong. */
export class UsageError extends Error {}

const allRows: readonly Row[] = [...pullRows, ...pushRows, ...processRows]

export const usage = `npm run bench -- [options]

  --only <rows>         those whose names contain one of these words, separated by commas
  --registries <names>  in the order of the columns (${registryIds.join(',')})
  --seconds <n>         measured for each row in each round (5)
  --rounds <n>          of every row, all registries in turn (3)
  --dist                Entrepot from its build (npm run build) instead of its source
  --json <file>         write all that was measured

Rows: ${allRows.map(({ id }) => id).join(', ')}`

/** Throws a `UsageError` that says what is wrong with `args`. */
export function parseOptions(args: string[]): Options {
  const values = parse(args)
  const seconds = positive(values.seconds, '--seconds')
  return {
    rows: selectRows(values.only),
    registries: values.registries.split(',').map(toRegistryId),
    seconds,
    warmUpSeconds: Math.min(2, seconds / 2),
    rounds: positive(values.rounds, '--rounds'),
    dist: values.dist,
    json: values.json,
    help: values.help,
  }
}

function parse(args: string[]) {
  const options = {
    only: { type: 'string', default: '' },
    registries: { type: 'string', default: registryIds.join(',') },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    dist: { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  } as const
  try {
    return parseArgs({ args, options }).values
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : `${cause}`)
  }
}

function selectRows(only: string): Row[] {
  const words = only.split(',')
  const rows = allRows.filter(({ id }) => words.some((word) => id.includes(word)))
  if (rows.length === 0) throw new UsageError(`--only ${only}: there is no such row`)
  return rows
}

function toRegistryId(name: string): RegistryId {
  const id = registryIds.find((each) => each === name)
  if (id === undefined) throw new UsageError(`--registries: there is no ${name}`)
  return id
}

function positive(text: string, option: string): number {
  const value = Number(text)
  if (value > 0 && Number.isFinite(value)) return value
  throw new UsageError(`${option} ${text}: not a number above 0`)
}
