import { type RetentionResult, retainOnce, type TagVerdict } from '../../app/lifecycle/retention.ts'
import { loadConfig } from '../../config/load.ts'
import { parseCommand } from '../parse-command.ts'
import type { CommandModule } from '../table/command.ts'
import { UsageError } from '../usage-error.ts'
import { interruption } from './interruption.ts'
import { quietLog } from './quiet-log.ts'

const HELP = `entrepot retention preview [config.yml] [--json] [--all]
entrepot retention run [config.yml] [--json] [--all]

Removes the tags that policies.retention deletes, while the registry serves; preview only says which. Says the bytes that no other tag
has, for each of them and for all together. docs/lifecycle.md has the rules.

  --json       a line of JSON for each tag, and one for the totals
  --all        also the tags that are kept, and why
  --quiet, -q  only the totals

Ends with 0; with 3 if some tags could not be removed; with 1 if it can't begin.
`

const OPTIONS = {
  json: { type: 'boolean' },
  all: { type: 'boolean' },
  quiet: { type: 'boolean', short: 'q' },
} as const

/** Runs `entrepot retention`.
 *  @throws UsageError; ConfigError; errors that prevent the run */
export async function retention(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(args, { help: HELP, options: OPTIONS })
  if (parsed === undefined) return
  const { values, positionals } = parsed
  const [verb, path, ...others] = positionals
  if (verb !== 'preview' && verb !== 'run') throw new UsageError('retention preview, or retention run')
  if (others.length > 0) throw new UsageError(`one file at most, not ${[path, ...others].join(' ')}`)
  const { config } = loadConfig({ path, env: process.env })
  const { json = false, all = false, quiet = false } = values
  const dryRun = verb === 'preview'
  const write = (text: string) => process.stdout.write(`${text}\n`)
  const result = await retainOnce(config, {
    ...{ dryRun, log: quietLog, signal: interruption(), measures: true },
    onVerdict: (verdict) => {
      if (!quiet && (all || verdict.action === 'remove')) write(json ? jsonOf(verdict) : lineOf(verdict))
    },
  })
  write(json ? JSON.stringify({ action: 'total', dryRun, ...result }) : totalsOf(result, dryRun))
  if (result.failed > 0) process.exitCode = 3
}

function jsonOf({ action, repository, entry, rule, reason, bytes }: TagVerdict): string {
  return JSON.stringify({ action, repository, ...entry, rule, reason, bytes })
}

/** Rules are counted from 1 for people. */
function lineOf({ action, repository, entry, rule, reason, bytes }: TagVerdict): string {
  const by = rule === undefined ? '' : `rule ${rule + 1}: `
  const own = bytes === undefined ? '' : `, ${bytes} bytes its own`
  return `${action} ${repository}:${entry.tag} ${entry.digest} set ${entry.setAt.toISOString()} (${by}${reason})${own}`
}

function totalsOf(
  { repositories, tags, removed, changed, failed, bytes = 0, unreadable = 0 }: RetentionResult,
  dryRun: boolean,
): string {
  const verb = dryRun ? 'would be removed' : 'removed'
  const lines = [
    `${removed} of ${tags} tags in ${repositories} repositories ${verb}, ${bytes} bytes that no other tag has`,
  ]
  if (unreadable > 0) lines.push(`${unreadable} manifests could not be read: nobody knows what they share`)
  if (changed > 0)
    lines.push(`${changed} tags stay: they were set again meanwhile, or others have removed them`)
  if (failed > 0) lines.push(`${failed} tags could not be removed`)
  return lines.join('\n')
}

export const command: CommandModule = {
  help: HELP,
  options: OPTIONS,
  words: ['preview', 'run'],
  run: retention,
}
