/** The command line of the bench. */
import { parseArgs } from 'node:util'
import { type RegistryId, registryIds } from './registries.ts'
import { indexRows } from './rows/index.ts'
import { listRows, longListRows } from './rows/lists.ts'
import { mirrorRows } from './rows/mirror.ts'
import { mixedRows } from './rows/mixed.ts'
import { notificationRows } from './rows/notifications.ts'
import { policyRows } from './rows/policies.ts'
import { processRows } from './rows/process.ts'
import { pullRows } from './rows/pulls.ts'
import { pushRows } from './rows/pushes.ts'
import type { Row, Time } from './rows/row.ts'
import { s3Rows } from './rows/s3.ts'

export interface Options extends Time {
  readonly rows: readonly Row[]
  readonly registries: readonly RegistryId[]
  readonly rounds: number
  /** Runs Entrepot from its build. */
  readonly dist: boolean
  /** Folder of another checkout of Entrepot, to compare with. */
  readonly baseline: string | undefined
  /** A file for all that was measured. */
  readonly json: string | undefined
  readonly help: boolean
}

/** The command line is wrong. */
export class UsageError extends Error {}

interface Suite {
  readonly rows: readonly Row[]
  readonly registries: readonly RegistryId[]
}

const ordinary: Suite = {
  rows: [...pullRows, ...pushRows, ...mixedRows, ...listRows, ...processRows],
  registries: registryIds,
}
const suites: Readonly<Record<string, Suite>> = {
  index: { rows: indexRows, registries: ['entrepot', 'baseline'] },
  lists: { rows: longListRows, registries: ['entrepot', 'baseline', 'distribution3', 'distribution2'] },
  mirror: { rows: mirrorRows, registries: ['entrepot', 'distribution3', 'distribution2'] },
  notifications: { rows: notificationRows, registries: registryIds },
  policies: { rows: policyRows, registries: ['entrepot', 'baseline'] },
  s3: { rows: s3Rows, registries: ['entrepot', 'distribution3', 'distribution2'] },
}

export const usage = `npm run bench -- [notifications | policies | index | lists | s3 | mirror] [options]

  notifications         what a receiver of events costs, and how fast they are delivered
  policies              what policies cost, all of them against none
  index                 search and order over all repositories and tags
  lists                 pages of 100,000 repositories and 500,000 tags, which take minutes to write
  s3                    with the content on an S3 server (versitygw) instead of in files
  gc                    garbage collection of a generated store; npm run bench -- gc --help says how
  mirror                as a pull-through cache of an upstream with one image of 10 × 20 MiB

  --only <rows>         names of rows, or words that their names contain, separated by commas
  --registries <names>  in the order of the columns (${registryIds.join(',')})
  --seconds <n>         measured for each row in each round (5)
  --rounds <n>          of every row, all registries in turn (3)
  --dist                Entrepot from its build (npm run build) instead of its source
  --baseline <folder>   another checkout of Entrepot, as a column
  --json <file>         write all that was measured

Rows: ${ordinary.rows.map(({ id }) => id).join(', ')}
Rows of notifications: ${notificationRows.map(({ id }) => id).join(', ')}
Rows of policies: ${policyRows.map(({ id }) => id).join(', ')}
Rows of the index: ${indexRows.map(({ id }) => id).join(', ')}
Rows of long lists: ${longListRows.map(({ id }) => id).join(', ')}
Rows on S3: ${s3Rows.map(({ id }) => id).join(', ')}
Rows of mirrors: ${mirrorRows.map(({ id }) => id).join(', ')}`

/** Throws a `UsageError` that says what is wrong with `args`. */
export function parseOptions(args: string[]): Options {
  const { values, positionals } = parse(args)
  const suite = selectSuite(positionals)
  const seconds = positive(values.seconds, '--seconds')
  return {
    rows: selectRows(suite.rows, values.only),
    registries: values.registries?.split(',').map(toRegistryId) ?? suite.registries,
    seconds,
    warmUpSeconds: Math.min(2, seconds / 2),
    rounds: positive(values.rounds, '--rounds'),
    dist: values.dist,
    baseline: values.baseline,
    json: values.json,
    help: values.help,
  }
}

function parse(args: string[]) {
  const options = {
    only: { type: 'string', default: '' },
    registries: { type: 'string' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    dist: { type: 'boolean', default: false },
    baseline: { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  } as const
  try {
    return parseArgs({ args, options, allowPositionals: true })
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : `${cause}`)
  }
}

function selectSuite([name, ...others]: string[]): Suite {
  if (name === undefined) return ordinary
  const suite = suites[name]
  if (suite === undefined || others.length > 0)
    throw new UsageError(`${[name, ...others].join(' ')}: unknown`)
  return suite
}

function selectRows(allRows: readonly Row[], only: string): Row[] {
  const words = only.split(',')
  const isMeant = (id: string) =>
    words.some((word) => (allRows.some((row) => row.id === word) ? id === word : id.includes(word)))
  const rows = allRows.filter(({ id }) => isMeant(id))
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
