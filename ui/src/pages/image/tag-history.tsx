import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { listTags } from '../../api/extension.ts'
import { listChanges, recordsHistory, restore, type TagChange } from '../../api/history.ts'
import { Digest } from '../../components/copy.tsx'
import { Ago } from '../../components/time.tsx'
import { useLoad } from '../../components/use-load.ts'
import { shortDigest } from '../../model/format.ts'
import { say } from '../../state.ts'

const VERBS = { set: 'set to', moved: 'moved to', removed: 'removed' }

/** What the tag named before, and who changed it; nothing where the registry does not record it. Who may change the
 *  tag can undo a move.
 *  @param onMove is called when the tag was moved back */
export function TagHistory({
  repository,
  tag,
  onMove,
}: {
  repository: string
  tag: string
  onMove: () => void
}) {
  const { value, reload } = useLoad(async (signal) => {
    if (!(await recordsHistory(repository, signal))) return undefined
    const history = await listChanges(repository, tag, signal)
    const canUndo = history.changes.some(({ until }) => until !== null)
    return { ...history, mayUndo: canUndo && (await mayMove(repository, tag, signal)) }
  }, `${repository}:${tag}`)
  if (value === undefined || value.changes.length === 0) return null
  return (
    <section class="section" aria-label="History of the tag">
      <h2>
        History of the tag{' '}
        {value.recordedSince !== null && (
          <span class="muted">
            recorded since <Ago time={value.recordedSince} />
          </span>
        )}
      </h2>
      <ul class="files">
        {value.changes.map((change) => (
          <Change key={change.id} change={change}>
            {value.mayUndo && change.until !== null && (
              <UndoMove
                repository={repository}
                change={change}
                onChange={() => {
                  reload()
                  onMove()
                }}
              />
            )}
          </Change>
        ))}
      </ul>
    </section>
  )
}

/** True if the client may do what undoing a move needs. */
async function mayMove(repository: string, tag: string, signal: AbortSignal): Promise<boolean> {
  const { actions } = await listTags(repository, { q: tag, n: 1 }, signal)
  return actions.includes('push') && actions.includes('delete')
}

function UndoMove({
  repository,
  change: { id, tag, from },
  onChange,
}: {
  repository: string
  change: TagChange
  onChange: () => void
}) {
  const [isRunning, setRunning] = useState(false)
  const before = from === null ? '' : shortDigest(from)
  const run = async () => {
    setRunning(true)
    try {
      const { conflicts, lost } = await restore(repository, id)
      if (conflicts.length > 0) say(`${tag} was moved again since, and stays`, { isError: true })
      else if (lost.length > 0) say(`Not moved: ${before} is gone`, { isError: true })
      else say(`Moved ${tag} back to ${before}`)
    } catch (error) {
      say(`Not moved: ${(error as Error).message}`, { isError: true })
    }
    setRunning(false)
    onChange()
  }
  return (
    <button
      type="button"
      disabled={isRunning}
      aria-label={`Undo the move of ${tag} from ${before}`}
      onClick={run}
    >
      Undo
    </button>
  )
}

function Change({
  change: { at, action, from, to, actor, cause },
  children,
}: {
  change: TagChange
  children: ComponentChildren
}) {
  const digest = to ?? from
  return (
    <li>
      <span class="change-time">
        <Ago time={at} />
      </span>
      <span>{VERBS[action] ?? action}</span>
      {digest !== null && <Digest digest={digest} />}
      <span class="muted">
        {actor === '' ? cause : `by ${actor}${cause === 'request' ? '' : `, ${cause}`}`}
      </span>
      {children}
    </li>
  )
}
