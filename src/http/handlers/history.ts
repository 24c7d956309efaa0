/** What repositories had, and what can be put back: docs/lifecycle.md. */
import { RegistryError } from '../../core/errors.ts'
import type { HistoryPage, TagChange } from '../../core/lifecycle/history.ts'
import { parseTag } from '../../core/reference.ts'
import { jsonReply, type Reply } from '../reply/reply.ts'
import { readBody } from '../request/body.ts'
import { pageRequest } from '../request/pagination.ts'
import type { RequestContext } from '../request-context.ts'

/** Entries of a page, as everywhere in the extension API. */
const PAGE = { standard: 50, max: 200 }
const MAX_BODY_BYTES = 4_096
const FRESH = { 'cache-control': 'no-store' }

/** The changes of one tag (`?tag=`) or of all, the newest first. */
export async function listTagChanges(context: RequestContext): Promise<Reply> {
  const { history, repository, query } = context
  const asked = query.get('tag')
  const tag = asked === null ? undefined : parseTag(asked)
  const page = pageOf(query)
  const changes = await history.changes(repository.name, { tag, ...page })
  const recordedSince = (await history.recordedSince())?.toISOString() ?? null
  const body = { name: repository.name, tag: tag ?? null, recordedSince, changes: changes.map(withNulls) }
  return jsonReply(200, { ...body, next: nextOf(changes, page) }, FRESH)
}

/** Deletions that can be undone, the newest first. */
export async function listTrash({ history, repository, query }: RequestContext): Promise<Reply> {
  const page = pageOf(query)
  const deletions = await history.deletions(repository.name, page)
  return jsonReply(200, { name: repository.name, deletions, next: nextOf(deletions, page) }, FRESH)
}

/** Undoes a deletion or a move: `{"id": "…", "force": false}`. */
export async function restoreDeletion(context: RequestContext): Promise<Reply> {
  const { history, repository } = context
  const { id, force } = parseRestore(await readBody(context.body(), { maxBytes: MAX_BODY_BYTES, tooLarge }))
  const restored = await history.restore(repository.name, id, { force })
  return jsonReply(200, { name: repository.name, ...restored }, FRESH)
}

/** Deletes all that a repository has. */
export async function deleteRepository({ history, repository }: RequestContext): Promise<Reply> {
  return jsonReply(
    202,
    { name: repository.name, ...(await history.deleteRepository(repository.name)) },
    FRESH,
  )
}

function pageOf(query: URLSearchParams): HistoryPage {
  const { count } = pageRequest(query, PAGE)
  return { count, after: query.get('cursor') ?? undefined }
}

/** The cursor of the next page; null on the last. */
function nextOf(listed: readonly { readonly id: string }[], { count }: HistoryPage): string | null {
  return (listed.length > 0 && listed.length === count && listed.at(-1)?.id) || null
}

function withNulls({ id, tag, action, at, from, to, actor, cause, until }: TagChange) {
  return { id, tag, action, at, from: from ?? null, to: to ?? null, actor, cause, until: until ?? null }
}

function parseRestore(body: Uint8Array): { id: string; force: boolean } {
  let found: unknown
  try {
    found = JSON.parse(Buffer.from(body).toString())
  } catch (cause) {
    throw new RegistryError('REQUEST_INVALID', { message: 'the body is not JSON', cause })
  }
  const { id, force = false } = Object(found) as { id?: unknown; force?: unknown }
  if (typeof id === 'string' && typeof force === 'boolean') return { id, force }
  throw new RegistryError('REQUEST_INVALID', {
    message: 'the body must be {"id": "…"}, and may have "force": true',
  })
}

function tooLarge(): RegistryError {
  return new RegistryError('REQUEST_INVALID', { message: `the body has at most ${MAX_BODY_BYTES} bytes` })
}
