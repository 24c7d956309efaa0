import { getJson } from '../api/http.ts'
import { Loaded } from '../components/states.tsx'
import { type Column, Table } from '../components/table.tsx'
import { useLoad } from '../components/use-load.ts'
import { formatBytes, formatCount } from '../model/format.ts'
import { asList, asNumber, asObject, asText } from '../model/manifest.ts'

interface Mirror {
  readonly prefix: string
  readonly host: string
  readonly breaker: string
  readonly hits: number
  readonly misses: number
  readonly bytes: number
  readonly savedBytes: number
}

/** The registries that are mirrored, and how they are. */
export function Mirrors() {
  const loading = useLoad(async (signal) => {
    const answer = asObject(await getJson<unknown>('v2/_entrepot/mirrors', signal))
    return asList(answer.mirrors).map(readMirror)
  }, 'mirrors')
  return (
    <section class="section" aria-label="Mirrors">
      <h2>Mirrors</h2>
      <Loaded loading={loading}>
        {(mirrors) =>
          mirrors.length === 0 ? (
            <p class="muted">This registry mirrors no other one.</p>
          ) : (
            <Table
              caption="Mirrors"
              columns={columns}
              rows={mirrors}
              keyOf={({ prefix, host }) => `${prefix} ${host}`}
            />
          )
        }
      </Loaded>
    </section>
  )
}

function readMirror(value: unknown): Mirror {
  const json = asObject(value)
  return {
    prefix: asText(json.prefix),
    host: asText(json.host),
    breaker: asText(json.breaker),
    hits: asNumber(json.hits),
    misses: asNumber(json.misses),
    bytes: asNumber(json.bytes),
    savedBytes: asNumber(json.savedBytes),
  }
}

const STATES: Readonly<Record<string, string>> = {
  closed: 'reachable',
  'half-open': 'being tried again',
  open: 'unreachable',
}

const columns: readonly Column<Mirror>[] = [
  {
    key: 'prefix',
    title: 'Here',
    cell: ({ prefix }) => <span class="name">{prefix || 'all repositories'}</span>,
  },
  { key: 'host', title: 'Upstream', cell: ({ host }) => host },
  { key: 'state', title: 'State', cell: ({ breaker }) => STATES[breaker] ?? breaker },
  {
    key: 'hits',
    title: 'From here',
    isNumeric: true,
    isWide: true,
    cell: ({ hits, misses }) =>
      hits + misses === 0 ? '–' : `${formatCount(Math.round((100 * hits) / (hits + misses)))} %`,
  },
  {
    key: 'saved',
    title: 'Saved',
    isNumeric: true,
    isWide: true,
    cell: ({ savedBytes }) => formatBytes(savedBytes),
  },
  { key: 'bytes', title: 'Stored', isNumeric: true, cell: ({ bytes }) => formatBytes(bytes) },
]
