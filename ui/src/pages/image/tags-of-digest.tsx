import { listAllTags } from '../../api/extension.ts'
import { useLoad } from '../../components/use-load.ts'
import { pathToReference, type Reference } from '../../model/reference.ts'
import { person } from '../../state.ts'

const SHOWN = 12

/** Where else the same content is tagged, as far as the person may see. */
export function TagsOfDigest({ reference, digest }: { reference: Reference; digest: string }) {
  const isSearchable = person.value?.registry.search === true
  const { value } = useLoad(
    async (signal) =>
      isSearchable
        ? await listAllTags({ digest, n: SHOWN, sort: '-pushed' }, signal)
        : { rows: [], next: null },
    digest,
  )
  if (value === undefined || value.rows.length === 0) {
    return reference.tag === undefined ? <span class="muted">none known</span> : reference.tag
  }
  return (
    <span class="chips">
      {value.rows.map(({ repository = '', name }) => (
        <a key={`${repository}:${name}`} class="chip" href={pathToReference({ repository, tag: name })}>
          {repository === reference.repository ? name : `${repository}:${name}`}
        </a>
      ))}
      {value.next !== null && <span class="muted">and more</span>}
    </span>
  )
}
