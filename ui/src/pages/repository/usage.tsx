import { getUsage, type Limit, listPulls, type Quota, type TagPulls, type TagUsage } from '../../api/usage.ts'
import { Facts } from '../../components/facts.tsx'
import { ListingView, useListing } from '../../components/listing.tsx'
import { Empty } from '../../components/states.tsx'
import { type Column, Table } from '../../components/table.tsx'
import { Ago } from '../../components/time.tsx'
import { formatBytes, formatCount } from '../../model/format.ts'
import { pathToReference } from '../../model/reference.ts'

const NO_INDEX = { search: false, complete: true, asOf: null }

/** What a repository and its tags take up, and when they were pulled. */
export function Usage({ name }: { name: string }) {
  const listing = useListing(
    async (cursor, signal) => {
      const [usage, pulls] = await Promise.all([getUsage(name, cursor, signal), listPulls(name, signal)])
      return { ...usage, pulls, rows: usage.tags, index: NO_INDEX }
    },
    { key: name },
  )
  return (
    <ListingView listing={listing}>
      {({ rows, pulls, quotas, ...summary }) => (
        <>
          <Facts
            facts={[
              ['Size', formatBytes(summary.bytes)],
              ['Only here', formatBytes(summary.ownBytes)],
              ['Manifests', formatCount(summary.manifests)],
              ['Tags', formatCount(summary.tagCount)],
              ['Counted', summary.countedAt === null ? 'not yet' : <Ago time={summary.countedAt} />],
              ...quotas.flatMap(factsOf),
            ]}
          />
          {rows.length === 0 ? (
            <Empty title="Nothing has been counted for this repository yet" />
          ) : (
            <Table
              caption={`Usage of ${name}`}
              columns={columnsFor(name, pulls)}
              rows={rows}
              keyOf={({ tag }) => tag}
            />
          )}
        </>
      )}
    </ListingView>
  )
}

function factsOf({ kind, name, bytes, tags }: Quota): [string, string | undefined][] {
  const of = kind === 'organisation' ? `Quota of ${name}` : 'Quota'
  return [
    [`${of}, bytes`, bytes === null ? undefined : shown(bytes, formatBytes)],
    [`${of}, tags`, tags === null ? undefined : shown(tags, formatCount)],
  ]
}

function shown({ used, limit }: Limit, format: (value: number) => string): string {
  return `${format(used)} of ${format(limit)}`
}

function columnsFor(
  repository: string,
  pulls: ReadonlyMap<string, TagPulls> | undefined,
): readonly Column<TagUsage>[] {
  const columns: readonly Column<TagUsage>[] = [
    {
      key: 'tag',
      title: 'Tag',
      cell: ({ tag }) => (
        <a class="name" href={pathToReference({ repository, tag })}>
          {tag}
        </a>
      ),
    },
    { key: 'bytes', title: 'Size', isNumeric: true, cell: ({ bytes }) => formatBytes(bytes) },
    {
      key: 'own',
      title: 'Only in this tag',
      isNumeric: true,
      isWide: true,
      cell: ({ ownBytes }) => formatBytes(ownBytes),
    },
  ]
  if (pulls === undefined) return columns
  return [
    ...columns,
    {
      key: 'pulls',
      title: 'Pulls',
      isNumeric: true,
      cell: ({ tag }) => formatCount(pulls.get(tag)?.pulls ?? 0),
    },
    {
      key: 'pulled',
      title: 'Last pulled',
      isNumeric: true,
      cell: ({ tag }) => <Ago time={pulls.get(tag)?.lastPulledAt} />,
    },
  ]
}
