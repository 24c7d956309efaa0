import { withHistory } from '../../app/lifecycle/repository-commands.ts'
import { loadConfig } from '../../config/load.ts'
import type { Deletion, HistoryPage, RepositoryHistory, TagChange } from '../../core/lifecycle/history.ts'
import { parseRepositoryName, type RepositoryName } from '../../core/reference.ts'
import { parseCommand } from '../parse-command.ts'
import type { CommandModule } from '../table/command.ts'
import { UsageError } from '../usage-error.ts'
import { quietLog } from './quiet-log.ts'

const HELP = `entrepot repository delete <name> [config.yml] [--json]
entrepot repository deletions <name> [config.yml] [--json]
entrepot repository changes <name> [config.yml] [--json]
entrepot repository restore <name> [config.yml] [--id <id>] [--force] [--json]

Deletes a repository as a whole, and undoes deletions and moves of tags, while the registry serves. Needs policies.history; docs/lifecycle.md says more.

  delete       all tags and manifests of a repository
  deletions    what was deleted and can be put back, the newest first
  changes      who has set, moved and removed which tag, the newest first
  restore      undoes a deletion: by default the last one. A move of a tag is undone by the id of its change

  --id      of the deletion, or of the change
  --force   moves tags back that name something else by now
  --json    JSON
`

const OPTIONS = { id: { type: 'string' }, force: { type: 'boolean' }, json: { type: 'boolean' } } as const

interface Command {
  readonly name: RepositoryName
  readonly id: string | undefined
  readonly force: boolean
  readonly json: boolean
}

type Run = (history: RepositoryHistory, command: Command) => Promise<void>

const COMMANDS: ReadonlyMap<string, Run> = new Map<string, Run>([
  ['delete', remove],
  ['deletions', listDeletions],
  ['changes', listChanges],
  ['restore', restore],
])

const CHANGING: ReadonlySet<string> = new Set(['delete', 'restore'])

/** Runs `entrepot repository`.
 *  @throws UsageError; ConfigError; RegistryError; errors that prevent the work */
export async function repository(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(args, { help: HELP, options: OPTIONS })
  if (parsed === undefined) return
  const { values, positionals } = parsed
  const [verb = '', text, path, ...others] = positionals
  const run = COMMANDS.get(verb)
  if (run === undefined) throw new UsageError(`repository ${[...COMMANDS.keys()].join(', ')}`)
  if (text === undefined) throw new UsageError('the name of the repository is missing')
  if (others.length > 0) throw new UsageError(`one file at most, not ${[path, ...others].join(' ')}`)
  const { id, force = false, json = false } = values
  const command = { name: parseRepositoryName(text), id, force, json }
  const { config } = loadConfig({ path, env: process.env })
  await withHistory(config, {
    ...{ log: quietLog, changes: CHANGING.has(verb) },
    work: (history) => run(history, command),
  })
}

async function remove(history: RepositoryHistory, { name, json }: Command): Promise<void> {
  const deletion = await history.deleteRepository(name)
  const { id, tagCount, manifestCount, until } = deletion
  const text = `deleted ${name}: ${tagCount} tags, ${manifestCount} manifests; can be undone until ${until} by its id ${id}`
  write(json ? JSON.stringify({ name, ...deletion }) : text)
}

const PAGE = 200

async function listDeletions(history: RepositoryHistory, { name, json }: Command): Promise<void> {
  for await (const one of inPages((page) => history.deletions(name, page)))
    write(json ? JSON.stringify(one) : deletionLine(one))
}

async function listChanges(history: RepositoryHistory, { name, json }: Command): Promise<void> {
  for await (const one of inPages((page) => history.changes(name, page)))
    write(json ? JSON.stringify(one) : changeLine(one))
}

async function* inPages<Item extends { readonly id: string }>(
  list: (page: HistoryPage) => Promise<readonly Item[]>,
): AsyncIterable<Item> {
  for (let after: string | undefined; ; ) {
    const page = await list({ count: PAGE, after })
    yield* page
    if (page.length < PAGE) return
    after = page.at(-1)?.id
  }
}

function changeLine({ id, tag, action, at, from, to, actor, cause, until }: TagChange): string {
  const undo = until === undefined ? '' : `; can be undone until ${until}`
  const digests = [from, to].filter((digest) => digest !== undefined).join(' -> ')
  return `${id} ${action} ${tag} ${digests} (at ${at} by ${actor || 'nobody known'}, ${cause}${undo})`
}

function deletionLine({
  id,
  kind,
  tags,
  tagCount,
  manifests,
  manifestCount,
  actor,
  cause,
  until,
}: Deletion): string {
  const what = kind === 'repository' ? `${tagCount} tags, ${manifestCount} manifests` : (manifests[0] ?? '')
  const names = kind === 'repository' ? '' : ` ${tags.map(({ tag }) => tag).join(' ')}`
  return `${id} ${kind} ${what}${names} (by ${actor || 'nobody known'}, ${cause}; until ${until})`
}

async function restore(history: RepositoryHistory, { name, id, force, json }: Command): Promise<void> {
  const [last] = id === undefined ? await history.deletions(name, { count: 1 }) : []
  const chosen = id ?? last?.id
  if (chosen === undefined) throw new Error(`nothing of ${name} can be put back`)
  const restored = await history.restore(name, chosen, { force })
  if (json) return write(JSON.stringify({ name, ...restored }))
  write(`restored ${restored.tags.length} tags, ${restored.manifests.length} manifests of ${name}`)
  for (const { tag, digest } of restored.conflicts)
    write(`${tag} names ${digest} by now, and stays; --force moves it back`)
  for (const digest of restored.lost) write(`${digest} can't be put back: what it needs is gone`)
  if (restored.conflicts.length + restored.lost.length > 0) process.exitCode = 3
}

function write(text: string): void {
  process.stdout.write(`${text}\n`)
}

export const command: CommandModule = {
  help: HELP,
  options: OPTIONS,
  words: ['delete', 'deletions', 'changes', 'restore'],
  run: repository,
}
