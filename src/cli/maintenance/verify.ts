import { inspect, verifyContent } from '../../app/maintenance/inspection.ts'
import { loadConfig } from '../../config/load.ts'
import { parseRepositoryName, parseTag } from '../../core/reference.ts'
import { parseCommand } from '../parse-command.ts'
import type { CommandModule } from '../table/command.ts'
import { UsageError } from '../usage-error.ts'
import { quietLog } from './quiet-log.ts'

const HELP = `entrepot verify <repository>[:<tag>] [config.yml] [--json]

Reads everything that an image or a whole repository needs from storage, and compares it with its digests: manifests, children, blobs, and
the links to them.

  --json   a line of JSON for each finding, and one for the totals

Ends with 0 if all is well, with 3 if something is missing or damaged, which is named, and with 1 if storage can't be read.
`

const OPTIONS = { json: { type: 'boolean' } } as const

/** Runs `entrepot verify`.
 *  @throws UsageError; ConfigError; errors of storage */
export async function verify(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(args, { help: HELP, options: OPTIONS })
  if (parsed === undefined) return
  const [subject, file, ...rest] = parsed.positionals
  if (subject === undefined || rest.length > 0)
    throw new UsageError('verify takes a repository, with a tag or without, and one file at most')
  const { repository, tag } = parseSubject(subject)
  const { config } = loadConfig({ path: file, env: process.env })
  const { findings, ...sums } = await inspect(config, {
    log: quietLog,
    work: (content) => verifyContent({ content, repository, tag }),
  })
  const { json = false } = parsed.values
  const write = (text: string) => process.stdout.write(`${text}\n`)
  for (const { name, problem } of findings)
    write(json ? JSON.stringify({ name, problem }) : `${name}: ${problem}`)
  const { manifests, blobs, bytes } = sums
  write(
    json
      ? JSON.stringify({ ...sums, findings: findings.length })
      : `${manifests} manifests and ${blobs} blobs, ${bytes} bytes: ${findings.length} findings`,
  )
  if (findings.length > 0) process.exitCode = 3
}

/** @throws UsageError */
function parseSubject(subject: string) {
  const colon = subject.lastIndexOf(':')
  try {
    if (colon < 0) return { repository: parseRepositoryName(subject), tag: undefined }
    return {
      repository: parseRepositoryName(subject.slice(0, colon)),
      tag: parseTag(subject.slice(colon + 1)),
    }
  } catch (cause) {
    throw new UsageError(`${subject}: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

export const command: CommandModule = { help: HELP, options: OPTIONS, run: verify }
