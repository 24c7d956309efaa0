import {
  type ExplainTarget,
  type Explanation,
  explainContent,
  inspect,
  nextCollection,
} from '../../app/maintenance/inspection.ts'
import { loadConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import type { Collectable } from '../../core/collection/collectable.ts'
import { algorithmOf, CANONICAL, isDigest } from '../../core/digest.ts'
import { parseReference, parseRepositoryName } from '../../core/reference.ts'
import { parseCommand } from '../parse-command.ts'
import type { CommandModule } from '../table/command.ts'
import { UsageError } from '../usage-error.ts'
import { quietLog } from './quiet-log.ts'

const HELP = `entrepot why <digest> | <repository>[:<tag>|@<digest>] [config.yml]

Says what keeps a blob or a manifest from being collected: the shortest way to it from a tag, or from a manifest that stays without one. Or
that nothing keeps it, and when it goes. A repository alone is asked for its tag latest.

Ends with 0 if something keeps it, with 3 if nothing does, and with 1 if it is not there.
`

/** Runs `entrepot why`.
 *  @throws UsageError; ConfigError; errors of storage */
export async function why(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(args, { help: HELP, options: {} })
  if (parsed === undefined) return
  const [subject, file, ...rest] = parsed.positionals
  if (subject === undefined || rest.length > 0)
    throw new UsageError('why takes what it is about, and one file at most')
  const asked = parseSubject(subject)
  const { config } = loadConfig({ path: file, env: process.env })
  const explanation = await inspect(config, {
    log: quietLog,
    work: async (content) => {
      const target = await targetOf(content, asked)
      return target === undefined ? ABSENT : explainContent(config, content, target)
    },
  })
  for (const line of linesOf(explanation, { subject, config })) process.stdout.write(`${line}\n`)
  process.exitCode = { kept: 0, unkept: 3, absent: 1 }[explanation.kind]
}

const ABSENT: Explanation = { kind: 'absent' }

/** A digest of all repositories, or a repository with a tag or digest. */
interface Asked {
  readonly repository?: ReturnType<typeof parseRepositoryName>
  readonly reference: ReturnType<typeof parseReference>
}

/** @throws UsageError */
function parseSubject(subject: string): Asked {
  try {
    if (isDigest(subject)) return { reference: parseReference(subject) }
    const at = subject.indexOf('@') >= 0 ? subject.indexOf('@') : subject.lastIndexOf(':')
    if (at < 0) return { repository: parseRepositoryName(subject), reference: parseReference('latest') }
    const repository = parseRepositoryName(subject.slice(0, at))
    return { repository, reference: parseReference(subject.slice(at + 1)) }
  } catch (cause) {
    throw new UsageError(`${subject}: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

/** Undefined if there is no such tag or name. */
async function targetOf(
  content: Collectable,
  { repository, reference }: Asked,
): Promise<ExplainTarget | undefined> {
  const name = reference.kind === 'digest' ? reference.digest : undefined
  if (name !== undefined && algorithmOf(name) === CANONICAL) return { digest: name, repository }
  if (repository === undefined) throw new UsageError('a digest by sha512 needs its repository')
  const { tags, manifests } = await content.contentOf(repository)
  const digest =
    reference.kind === 'tag'
      ? tags.get(reference.tag)
      : manifests.find(({ aliases }) => aliases.some((alias) => alias === name))?.digest
  return digest && { digest, repository }
}

function linesOf(
  explanation: Explanation,
  { subject, config }: { subject: string; config: Config },
): string[] {
  if (explanation.kind === 'absent') return [`${subject} is not there`]
  if (explanation.kind === 'kept') return explanation.way.map((one, depth) => `${'  '.repeat(depth)}${one}`)
  const { from, bytes } = explanation
  const next = nextCollection(config, from)
  const when =
    next === undefined
      ? `by the first collection that begins after ${from.toISOString()}; none is scheduled`
      : `at ${next.toISOString()}`
  return [`nothing keeps it (${bytes} bytes), it goes ${when}`]
}

export const command: CommandModule = { help: HELP, options: {}, run: why }
