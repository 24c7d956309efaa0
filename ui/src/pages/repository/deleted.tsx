import { useState } from 'preact/hooks'
import { type Deletion, listDeletions, restore } from '../../api/history.ts'
import { Digest } from '../../components/copy.tsx'
import { ListingView, useListing } from '../../components/listing.tsx'
import { Empty } from '../../components/states.tsx'
import { type Column, Table } from '../../components/table.tsx'
import { Ago } from '../../components/time.tsx'
import { plural, shortDigest } from '../../model/format.ts'
import { say } from '../../state.ts'

const NO_INDEX = { search: false, complete: true, asOf: null }

/** What was deleted from a repository and can be put back. */
export function Deleted({ name }: { name: string }) {
  const listing = useListing(
    async (cursor, signal) => ({ ...(await listDeletions(name, cursor, signal)), index: NO_INDEX }),
    { key: name },
  )
  return (
    <ListingView listing={listing}>
      {({ rows }) =>
        rows.length === 0 ? (
          <Empty title="Nothing was deleted">What is deleted can be restored from here for some time.</Empty>
        ) : (
          <Table
            caption={`Deleted from ${name}`}
            columns={columnsFor(name, listing.reload)}
            rows={rows}
            keyOf={({ id }) => id}
          />
        )
      }
    </ListingView>
  )
}

function columnsFor(name: string, onChange: () => void): readonly Column<Deletion>[] {
  return [
    { key: 'what', title: 'Deleted', cell: (deletion) => <span class="name">{titleOf(deletion)}</span> },
    {
      key: 'digest',
      title: 'Digest',
      isWide: true,
      cell: ({ tags, manifests }) => {
        const digest = tags[0]?.digest ?? manifests[0]
        return digest === undefined ? '–' : <Digest digest={digest} />
      },
    },
    {
      key: 'actor',
      title: 'By',
      isWide: true,
      cell: ({ actor, cause }) =>
        actor || <span class="muted">{cause === 'request' ? 'anonymous' : cause}</span>,
    },
    { key: 'at', title: 'When', isNumeric: true, cell: ({ at }) => <Ago time={at} /> },
    {
      key: 'until',
      title: 'Kept until',
      isNumeric: true,
      isWide: true,
      cell: ({ until }) => <Ago time={until} />,
    },
    {
      key: 'restore',
      title: 'Restore',
      isNumeric: true,
      cell: (deletion) => <RestoreButton name={name} deletion={deletion} onChange={onChange} />,
    },
  ]
}

function titleOf({ kind, tags, tagCount, manifests, manifestCount }: Deletion): string {
  if (kind === 'repository') return `the repository, ${plural(tagCount, 'tag')}`
  const [first] = tags
  if (kind === 'tag') return first?.tag ?? 'a tag'
  const name = manifestCount === 1 ? shortDigest(manifests[0] ?? '') : plural(manifestCount, 'manifest')
  return tagCount === 0 ? name : `${name} with ${tagCount === 1 ? first?.tag : plural(tagCount, 'tag')}`
}

function RestoreButton({
  name,
  deletion,
  onChange,
}: {
  name: string
  deletion: Deletion
  onChange: () => void
}) {
  const [isRunning, setRunning] = useState(false)
  const run = async () => {
    setRunning(true)
    try {
      const { tags, manifests, conflicts, lost } = await restore(name, deletion.id)
      const left = [
        conflicts.length > 0 ? `${plural(conflicts.length, 'tag')} named something else by now` : '',
        lost.length > 0 ? `${plural(lost.length, 'manifest')} could not be restored` : '',
      ].filter(Boolean)
      const done = `Restored ${tags.length > 0 ? plural(tags.length, 'tag') : plural(manifests.length, 'manifest')}`
      say([done, ...left].join('; '), { isError: left.length > 0 })
    } catch (error) {
      say(`Not restored: ${(error as Error).message}`, { isError: true })
    }
    setRunning(false)
    onChange()
  }
  return (
    <button type="button" disabled={isRunning} aria-label={`Restore ${titleOf(deletion)}`} onClick={run}>
      Restore
    </button>
  )
}
