/** What tags named before, and deletions that can be undone; the project's docs/lifecycle.md describes it. */
import { ApiError, getJson, request } from './http.ts'

export interface TagChange {
  readonly id: string
  readonly tag: string
  readonly action: 'set' | 'moved' | 'removed'
  readonly at: string
  readonly from: string | null
  readonly to: string | null
  readonly actor: string
  readonly cause: string
  /** Of a move: until when it can be undone by its id. */
  readonly until: string | null
}

export interface Deletion {
  readonly id: string
  readonly kind: 'tag' | 'move' | 'manifest' | 'repository'
  readonly at: string
  readonly until: string
  readonly actor: string
  readonly cause: string
  /** The first of them. */
  readonly tags: readonly TaggedDigest[]
  readonly tagCount: number
  readonly manifests: readonly string[]
  readonly manifestCount: number
}

export interface TaggedDigest {
  readonly tag: string
  readonly digest: string
}

export interface Restoration {
  readonly tags: readonly TaggedDigest[]
  readonly manifests: readonly string[]
  /** Tags that name something else by now. */
  readonly conflicts: readonly TaggedDigest[]
  /** Manifests whose content is gone. */
  readonly lost: readonly string[]
}

let isRecording: boolean | undefined

/** True if the registry records changes, so that deletions can be undone; asked once. */
export async function recordsHistory(repository: string, signal?: AbortSignal): Promise<boolean> {
  if (isRecording !== undefined) return isRecording
  try {
    await getJson(`v2/${repository}/_entrepot/trash/list?n=1`, signal)
    isRecording = true
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    if (error.code === 'UNSUPPORTED') isRecording = false
    return false
  }
  return isRecording
}

export interface Paged<Row> {
  readonly rows: readonly Row[]
  readonly next: string | null
}

export async function listDeletions(
  repository: string,
  cursor?: string,
  signal?: AbortSignal,
): Promise<Paged<Deletion>> {
  const path = `v2/${repository}/_entrepot/trash/list${cursor ? `?cursor=${encodeURIComponent(cursor)}` : ''}`
  const { deletions, next } = await getJson<{ deletions: Deletion[]; next: string | null }>(path, signal)
  return { rows: deletions, next }
}

export async function listChanges(
  repository: string,
  tag: string,
  signal?: AbortSignal,
): Promise<{ readonly changes: readonly TagChange[]; readonly recordedSince: string | null }> {
  return getJson(`v2/${repository}/_entrepot/tags/history?n=20&tag=${encodeURIComponent(tag)}`, signal)
}

export async function restore(repository: string, id: string): Promise<Restoration> {
  const path = `v2/${repository}/_entrepot/trash/restore`
  return (await request(path, { method: 'POST', body: { id } })).json()
}

/** @returns the id of the deletion, by which it can be undone */
export async function deleteRepository(repository: string): Promise<string> {
  const answer = await request(`v2/${repository}/_entrepot/repository`, { method: 'DELETE' })
  return ((await answer.json()) as Deletion).id
}

/** Undoes the newest deletions of tags.
 *  @returns how many were restored */
export async function restoreTags(repository: string, tags: readonly TaggedDigest[]): Promise<number> {
  const { rows } = await listDeletions(repository)
  let restored = 0
  for (const { tag, digest } of tags) {
    const deletion = rows.find(
      ({ kind, tags: [first] }) => kind === 'tag' && first?.tag === tag && first.digest === digest,
    )
    if (deletion !== undefined) restored += (await restore(repository, deletion.id)).tags.length
  }
  return restored
}
