import { withUsage } from '../../app/lifecycle/usage.ts'
import { loadConfig } from '../../config/load.ts'
import type { Usage } from '../../core/lifecycle/usage.ts'
import { parseRepositoryName } from '../../core/reference.ts'
import { parseCommand } from '../parse-command.ts'
import type { CommandModule } from '../table/command.ts'
import { UsageError } from '../usage-error.ts'
import { quietLog } from './quiet-log.ts'

const HELP = `entrepot usage [config.yml] [--repository <name>] [--count] [--json]

Says how many bytes organisations and repositories take up, or the tags of one repository. What several images share counts once in each. The
figures are those of the last count, with what was pushed and deleted since; docs/lifecycle.md says more.

  --repository  the tags of this repository, as of the last count
  --count       counts first, which reads every manifest
  --json        a line of JSON for each
`

const OPTIONS = {
  repository: { type: 'string' },
  count: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

/** Runs `entrepot usage`.
 *  @throws UsageError; ConfigError; errors that prevent the work */
export async function usage(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(args, { help: HELP, options: OPTIONS })
  if (parsed === undefined) return
  const { values, positionals } = parsed
  if (positionals.length > 1) throw new UsageError(`one file at most, not ${positionals.join(' ')}`)
  const { config } = loadConfig({ path: positionals[0], env: process.env })
  const { repository, count: recounts = false, json = false } = values
  const lines = (found: Usage) => (repository === undefined ? allLines(found) : tagLines(found, repository))
  await withUsage(config, {
    ...{ recounts, log: quietLog },
    async work(found) {
      if ((await found.countedAt()) === undefined) throw new Error('usage was never counted: --count does so')
      for (const { text, ...figures } of await lines(found)) write(json ? JSON.stringify(figures) : text)
    },
  })
}

interface Line {
  readonly text: string
}

async function allLines(found: Usage): Promise<Line[]> {
  const organisations = (await found.organisations()).map((one) => ({
    ...{ kind: 'organisation', ...one },
    text: `${one.bytes} bytes, ${one.tags} tags: organisation ${one.name}`,
  }))
  const repositories = (await found.repositories()).map((one) => ({
    ...{ kind: 'repository', ...one },
    text: `${one.bytes} bytes, ${one.ownBytes} of them its own, ${one.tags} tags: repository ${one.name}`,
  }))
  return [...organisations, ...repositories]
}

async function tagLines(found: Usage, repository: string): Promise<Line[]> {
  return (await found.tags(parseRepositoryName(repository))).map((one) => ({
    ...{ kind: 'tag', repository, ...one },
    text: `${one.bytes} bytes, ${one.ownBytes} of them its own: ${repository}:${one.tag}`,
  }))
}

function write(text: string): void {
  process.stdout.write(`${text}\n`)
}

export const command: CommandModule = { help: HELP, options: OPTIONS, run: usage }
