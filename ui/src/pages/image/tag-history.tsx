import { listChanges, recordsHistory, type TagChange } from '../../api/history.ts'
import { Digest } from '../../components/copy.tsx'
import { Ago } from '../../components/time.tsx'
import { useLoad } from '../../components/use-load.ts'

const VERBS = { set: 'set to', moved: 'moved to', removed: 'removed' }

/** What the tag named before, and who changed it; nothing where the registry does not record it. */
export function TagHistory({ repository, tag }: { repository: string; tag: string }) {
  const { value } = useLoad(
    async (signal) =>
      (await recordsHistory(repository, signal)) ? listChanges(repository, tag, signal) : undefined,
    `${repository}:${tag}`,
  )
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
          <Change key={change.id} change={change} />
        ))}
      </ul>
    </section>
  )
}

function Change({ change: { at, action, from, to, actor, cause } }: { change: TagChange }) {
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
    </li>
  )
}
