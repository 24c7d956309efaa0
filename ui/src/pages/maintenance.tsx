import {
  type CollectionSummary,
  type EndpointStatus,
  getOperations,
  type ScrubSummary,
} from '../api/operations.ts'
import { Facts } from '../components/facts.tsx'
import { Loaded } from '../components/states.tsx'
import { type Column, Table } from '../components/table.tsx'
import { Ago } from '../components/time.tsx'
import { useLoad } from '../components/use-load.ts'
import { formatBytes, formatCount } from '../model/format.ts'

/** Garbage collection, scrubs and notifications, for operators. */
export function Maintenance() {
  const loading = useLoad(getOperations, 'operations')
  return (
    <Loaded loading={loading}>
      {({ collection, scrub, endpoints }) => (
        <>
          <Collection collection={collection} />
          <Scrub scrub={scrub} />
          <Notifications endpoints={endpoints} />
        </>
      )}
    </Loaded>
  )
}

const PHASES: Readonly<Record<string, string>> = {
  idle: 'not running',
  mark: 'looking for garbage',
  condemned: 'waiting for pushes',
  sealed: 'deleting',
  blobs: 'reading blobs',
  links: 'checking links',
}

function Collection({ collection: { enabled, nextAt, phase, last } }: { collection: CollectionSummary }) {
  return (
    <section class="section" aria-label="Garbage collection">
      <h2>Garbage collection</h2>
      <Facts
        facts={[
          ['State', PHASES[phase] ?? phase],
          ['Last run', last === null ? 'none yet' : <Ago time={last.endedAt} />],
          ['Deleted', last && `${formatCount(last.deletedBlobs)} blobs, ${formatBytes(last.deletedBytes)}`],
          ['Manifests removed', last && formatCount(last.removedManifests)],
          ['Manifests that could not be read', last && last.findings > 0 && formatCount(last.findings)],
          ['Next run', whenNext(enabled, nextAt)],
        ]}
      />
    </section>
  )
}

function Scrub({ scrub: { enabled, nextAt, phase, startedAt, totals } }: { scrub: ScrubSummary }) {
  return (
    <section class="section" aria-label="Scrub">
      <h2>Scrub</h2>
      <Facts
        facts={[
          ['State', PHASES[phase] ?? phase],
          ['Last begun', startedAt === null ? 'never' : <Ago time={startedAt} />],
          ['Read', totals && `${formatCount(totals.blobs)} blobs, ${formatBytes(totals.bytes)}`],
          ['Damaged', totals && formatCount(totals.damagedBlobs)],
          ['Repaired', totals && formatCount(totals.healedBlobs)],
          ['Findings', totals && formatCount(totals.findings)],
          ['Next run', whenNext(enabled, nextAt)],
        ]}
      />
    </section>
  )
}

function whenNext(enabled: boolean, nextAt: string | null) {
  if (nextAt !== null) return <Ago time={nextAt} />
  return enabled ? 'by the command only' : 'not enabled'
}

function Notifications({ endpoints }: { endpoints: readonly EndpointStatus[] }) {
  return (
    <section class="section" aria-label="Notifications">
      <h2>Notifications</h2>
      {endpoints.length === 0 ? (
        <p class="muted">No endpoint is notified of changes.</p>
      ) : (
        <Table caption="Endpoints" columns={columns} rows={endpoints} keyOf={({ name }) => name} />
      )}
    </section>
  )
}

const columns: readonly Column<EndpointStatus>[] = [
  { key: 'name', title: 'Endpoint', cell: ({ name }) => <span class="name">{name}</span> },
  { key: 'state', title: 'State', cell: ({ off }) => off ?? 'on' },
  { key: 'waiting', title: 'Waiting', isNumeric: true, cell: ({ waiting }) => formatCount(waiting) },
  {
    key: 'oldest',
    title: 'Oldest',
    isNumeric: true,
    cell: ({ oldestAt }) => (oldestAt === null ? '–' : <Ago time={oldestAt} />),
  },
  {
    key: 'held',
    title: 'Repositories held up',
    isNumeric: true,
    isWide: true,
    cell: ({ heldRepositories }) => formatCount(heldRepositories),
  },
  {
    key: 'dead',
    title: 'Dead letters',
    isNumeric: true,
    cell: ({ deadLetters }) => formatCount(deadLetters),
  },
]
