import { type ScrubReport, scrubOnce } from '../../app/maintenance/scrub.ts'
import { loadConfig } from '../../config/load.ts'
import { parseSize } from '../../config/units.ts'
import { parseCommand } from '../parse-command.ts'
import type { CommandModule } from '../table/command.ts'
import { UsageError } from '../usage-error.ts'
import { interruption } from './interruption.ts'
import { quietLog } from './quiet-log.ts'

const HELP = `entrepot scrub [config.yml] [--dry-run] [--json] [--pace <size>] [--from <config of another storage>]

Reads all blobs and manifests, compares them with their digests, and looks whether what repositories refer to is there, while the registry
serves. A damaged blob goes into quarantine and is not served again. A run that was cut short is continued. docs/scrub.md says more.

  --dry-run, -d   only say what is wrong
  --from          heal damaged and missing blobs from this storage, which is only read
  --pace          how many bytes a second are read, such as 50MiB, 0 for as many as go; otherwise as configured
  --json          a line of JSON for each finding, and one for the totals

Ends with 0 if all is well; with 3 if something was damaged or missing, also if it was healed; with 1 if storage can't be read.
`

const OPTIONS = {
  'dry-run': { type: 'boolean', short: 'd' },
  json: { type: 'boolean' },
  from: { type: 'string' },
  pace: { type: 'string' },
} as const

/** Runs `entrepot scrub`.
 *  @throws UsageError; ConfigError; errors that prevent the scrub */
export async function scrub(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(args, { help: HELP, options: OPTIONS })
  if (parsed === undefined) return
  const { values, positionals } = parsed
  if (positionals.length > 1) throw new UsageError(`one file at most, not ${positionals.join(' ')}`)
  const { config } = loadConfig({ path: positionals[0], env: process.env })
  // The environment sets keys of the first configuration only.
  const from = values.from === undefined ? undefined : loadConfig({ path: values.from, env: {} }).config
  const { json = false, 'dry-run': dryRun = false } = values
  const isTerminal = process.stderr.isTTY && !json
  // Its code is loaded only for a terminal.
  const { showProgress } = isTerminal ? await import('./progress-bar.ts') : { showProgress: () => () => {} }
  let hide = () => {}
  const report = await scrubOnce(config, {
    pace: values.pace === undefined ? config.storage.maintenance.scrub.pace : paceOf(values.pace),
    ...{ dryRun, from, log: quietLog, signal: interruption() },
    onBegin: (activity) => {
      if (isTerminal) hide = showProgress(activity)
    },
  }).finally(() => hide())
  for (const line of linesOf(report, json)) process.stdout.write(`${line}\n`)
  if (report.totals.findings > 0) process.exitCode = 3
}

function linesOf({ findings, totals, run }: ScrubReport, json: boolean): string[] {
  if (json) return [...findings, { action: 'total', run, ...totals }].map((one) => JSON.stringify(one))
  const lines = findings.map(({ repository, name, problem, outcome }) => {
    const place = repository === undefined ? name : `${repository}: ${name}`
    return `${place}: ${problem}${outcome === undefined ? '' : `; ${outcome}`}`
  })
  const { blobs, bytes, repositories, manifests } = totals
  const checked = `${blobs} blobs, ${bytes} bytes; ${manifests} manifests in ${repositories} repositories`
  const { damagedBlobs, healedBlobs, findings: count } = totals
  return [...lines, `${checked}: ${damagedBlobs} damaged, ${healedBlobs} healed, ${count} findings`]
}

function paceOf(text: string): number {
  const bytes = parseSize(text)
  if (bytes !== undefined) return bytes
  throw new UsageError(`--pace takes a size per second such as 50MiB, not ${text}`)
}

export const command: CommandModule = { help: HELP, options: OPTIONS, run: scrub }
