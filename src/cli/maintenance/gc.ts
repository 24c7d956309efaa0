import { type CollectionReport, collectOnce } from '../../app/maintenance/collection.ts'
import { loadConfig } from '../../config/load.ts'
import { parseDuration } from '../../config/units.ts'
import { parseCommand } from '../parse-command.ts'
import type { CommandModule } from '../table/command.ts'
import { UsageError } from '../usage-error.ts'
import { quietLog } from './quiet-log.ts'

const HELP = `entrepot gc [config.yml] [--dry-run] [--json] [--grace 24h] [--delete-untagged] [--coexist] [--pace <requests a second>]

Deletes the blobs that no manifest refers to, while the registry serves. docs/garbage-collection.md says what must be configured before.

  --dry-run, -d          only say what would be deleted
  --delete-untagged, -m  first remove manifests that no tag keeps, no index and no subject; otherwise as configured
  --coexist              keep deleted blobs in quarantine for 30 days, because a registry that takes no part writes to the
                         same storage; otherwise as configured
  --json                 a line of JSON for each blob and manifest, and one for the totals
  --grace                how old a blob must be, and the last push or mount of it; otherwise as configured
  --pace                 how many requests the storage gets a second, 0 for as many as go; otherwise as configured
  --quiet, -q            only the totals

Ends with 0; with 3 if manifests can't be read, whose repositories then keep all their blobs; with 1 if it can't collect.
`

const HELP_OF_DISTRIBUTION = `entrepot garbage-collect [--dry-run|-d] [--delete-untagged|-m] [--quiet] config.yml

As entrepot gc, in the words of CNCF Distribution.
`

/** Runs `entrepot gc`.
 *  @throws UsageError; ConfigError; errors that prevent the collection */
export function gc(args: readonly string[]): Promise<void> {
  return collectGarbage(args, HELP)
}

/** Runs Distribution's `garbage-collect`. */
export function garbageCollect(args: readonly string[]): Promise<void> {
  return collectGarbage(args, HELP_OF_DISTRIBUTION)
}

const OPTIONS = {
  'dry-run': { type: 'boolean', short: 'd' },
  'delete-untagged': { type: 'boolean', short: 'm' },
  coexist: { type: 'boolean' },
  json: { type: 'boolean' },
  quiet: { type: 'boolean', short: 'q' },
  grace: { type: 'string' },
  pace: { type: 'string' },
} as const

async function collectGarbage(args: readonly string[], help: string): Promise<void> {
  const parsed = parseCommand(args, { help, options: OPTIONS })
  if (parsed === undefined) return
  const { values, positionals } = parsed
  if (positionals.length > 1) throw new UsageError(`one file at most, not ${positionals.join(' ')}`)
  const { config } = loadConfig({ path: positionals[0], env: process.env })
  const { gc: configured } = config.storage.maintenance
  const { json = false, quiet = false, 'dry-run': dryRun = false } = values
  const isTerminal = process.stderr.isTTY && !json
  const write = (text: string) => {
    if (isTerminal) process.stderr.write(CLEAR_LINE) // the progress bar is drawn again below
    process.stdout.write(`${text}\n`)
  }
  const untagged = values['delete-untagged'] ?? configured.untagged
  const coexist = values.coexist ?? configured.coexist
  if (coexist && untagged) throw new UsageError(NOT_TOGETHER)
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => stopping.abort(new Error(`ended by ${signal}`)))
  // Its code is loaded only for a terminal.
  const { showProgress } = isTerminal ? await import('./progress-bar.ts') : { showProgress: () => () => {} }
  let hide = () => {}
  const report = await collectOnce(config, {
    signal: stopping.signal,
    graceMs: values.grace === undefined ? configured.grace : durationOf(values.grace),
    pace: values.pace === undefined ? configured.pace : paceOf(values.pace),
    dryRun,
    untagged,
    coexist,
    log: quietLog,
    onBegin: (progress) => {
      if (isTerminal) hide = showProgress(progress)
    },
    onDeleted: ({ digest, size }) => {
      if (json) write(JSON.stringify({ action: 'delete', digest, bytes: size, reason: REASON }))
      else if (!quiet) write(`${digest} ${size} bytes: ${REASON}`)
    },
    onRestored: (digest) => {
      if (json) write(JSON.stringify({ action: 'restore', digest, reason: NEEDED_AGAIN }))
      else if (!quiet) write(`${digest} ${dryRun ? 'would be restored' : 'restored'}: ${NEEDED_AGAIN}`)
    },
  }).finally(() => hide())
  const { removed, ...totals } = report
  for (const { repository, digest, bytes } of removed) {
    if (json)
      write(JSON.stringify({ action: 'remove manifest', repository, digest, bytes, reason: UNTAGGED }))
    else if (!quiet) write(`${repository}@${digest} ${bytes} bytes that only it holds: ${UNTAGGED}`)
  }
  const lines = json ? [JSON.stringify({ action: 'total', dryRun, ...totals })] : linesOf(report, dryRun)
  for (const line of lines) write(line)
  if (report.findings.length > 0) process.exitCode = 3
}

const CLEAR_LINE = '\r\x1b[K'
const REASON = 'no manifest refers to it'
const NEEDED_AGAIN = 'it was in quarantine, and a manifest or a new push needs it'
const NOT_TOGETHER =
  '--delete-untagged and --coexist exclude each other: a removed manifest is not kept in quarantine'
const UNTAGGED = 'no tag, no index and no subject keeps it'

function linesOf(report: CollectionReport, dryRun: boolean): string[] {
  const { blobs, deletedBlobs, deletedBytes, rescuedBlobs, restoredBlobs, findings } = report
  const { removedManifests, postponedManifests } = report
  const verb = dryRun ? 'would be deleted' : 'deleted'
  return [
    ...findings.map(
      ({ repository, manifest, reason }) =>
        `${repository}@${manifest} can't be read (${reason}): the repository keeps all its blobs`,
    ),
    ...(removedManifests > 0
      ? [`${removedManifests} manifests ${dryRun ? 'would be removed' : 'removed'} from repositories`]
      : []),
    ...(postponedManifests > 0
      ? [
          `${postponedManifests} manifests stay until the next collection: others deleted there, or it took too long`,
        ]
      : []),
    `${deletedBlobs} of ${blobs} blobs ${verb}, ${deletedBytes} bytes`,
    ...(restoredBlobs > 0
      ? [`${restoredBlobs} blobs ${dryRun ? 'would be restored' : 'restored'} from quarantine`]
      : []),
    ...(rescuedBlobs > 0 ? [`${rescuedBlobs} blobs stay: they were needed again meanwhile`] : []),
  ]
}

function durationOf(text: string): number {
  const milliseconds = parseDuration(text)
  if (milliseconds !== undefined && milliseconds >= 0) return milliseconds
  throw new UsageError(`--grace takes a duration such as 24h, not ${text}`)
}

function paceOf(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  throw new UsageError(`--pace takes a whole number of requests per second, not ${text}`)
}

export const gcCommand: CommandModule = { help: HELP, options: OPTIONS, run: gc }

export const garbageCollectCommand: CommandModule = {
  help: HELP_OF_DISTRIBUTION,
  options: OPTIONS,
  run: garbageCollect,
}
