import { listUntagged, type ManifestRow } from '../../api/extension.ts'
import { ListingView, useListing } from '../../components/listing.tsx'
import { Empty } from '../../components/states.tsx'
import { type Column, Table } from '../../components/table.tsx'
import { Ago } from '../../components/time.tsx'
import { formatBytes, shortDigest } from '../../model/format.ts'
import { KIND_NAMES, kindOfRow } from '../../model/kind.ts'
import { pathToReference } from '../../model/reference.ts'

/** Manifests without a tag: parts of an index, referrers, and what garbage collection may remove. */
export function Untagged({ name }: { name: string }) {
  const listing = useListing((cursor, signal) => listUntagged(name, { cursor }, signal), { key: name })
  return (
    <ListingView listing={listing}>
      {({ rows }) =>
        rows.length === 0 ? (
          <Empty title="Everything here has a tag" />
        ) : (
          <Table
            caption={`Manifests of ${name} without a tag`}
            columns={columnsFor(name)}
            rows={rows}
            keyOf={({ digest }) => digest}
          />
        )
      }
    </ListingView>
  )
}

function columnsFor(name: string): readonly Column<ManifestRow>[] {
  const link = (digest: string) => (
    <a href={pathToReference({ repository: name, digest })}>
      <code>{shortDigest(digest)}</code>
    </a>
  )
  return [
    { key: 'digest', title: 'Digest', cell: ({ digest }) => link(digest) },
    {
      key: 'kind',
      title: 'Kind',
      cell: (row) => <span class="chip">{row.platforms[0] ?? KIND_NAMES[kindOfRow(row)]}</span>,
    },
    {
      key: 'belongs',
      title: 'Belongs to',
      isWide: true,
      cell: ({ parents, subject }) => {
        const [owner] = subject === null ? parents : [subject]
        if (owner === undefined) return <span class="muted">nothing</span>
        return (
          <>
            {link(owner)} <span class="muted">{subject === null ? 'as a part' : 'refers to it'}</span>
          </>
        )
      },
    },
    {
      key: 'size',
      title: 'Size',
      isNumeric: true,
      cell: ({ size }) => (size === null ? '–' : formatBytes(size)),
    },
    {
      key: 'created',
      title: 'Created',
      isNumeric: true,
      isWide: true,
      cell: ({ createdAt }) => <Ago time={createdAt} />,
    },
  ]
}
