import { useLocation } from 'preact-iso'
import {
  type IndexState,
  listAllTags,
  listRepositories,
  type RepositoryRow,
  type TagRow,
} from '../api/extension.ts'
import { Breadcrumb } from '../components/breadcrumb.tsx'
import { ListingView, useListing } from '../components/listing.tsx'
import { Empty, LogInLink } from '../components/states.tsx'
import { type Column, Table } from '../components/table.tsx'
import { Ago } from '../components/time.tsx'
import { useTitle } from '../components/use-title.ts'
import { formatBytes, formatCount, formatTime, parseTime } from '../model/format.ts'
import { pathTo, pathToReference } from '../model/reference.ts'
import { person } from '../state.ts'
import { NamespaceTree } from './namespace-tree.tsx'
import { tagColumns, tagCommand } from './tag-columns.tsx'

/** All repositories, or those below a namespace; with a search also all tags. */
export function Repositories() {
  const { query } = useLocation()
  const { q = '', under = '', show = 'repositories' } = query
  useTitle(q === '' ? under || 'Repositories' : `Search: ${q}`)
  if (person.value?.mayList === false) return <NothingToList />
  const isSearchable = person.value?.registry.search === true
  if (q !== '' && !isSearchable) return <NoSearch />
  return (
    <div class="with-aside">
      <aside aria-label="Namespaces">
        <NamespaceTree present={under} />
      </aside>
      <div>
        <div class="view-head">
          {q !== '' && <h1>Results for “{q}”</h1>}
          {q === '' && under !== '' && (
            <Breadcrumb namespace={under.slice(0, Math.max(0, under.lastIndexOf('/')))} />
          )}
          {q === '' && (
            <h1 class={under === '' ? 'visually-hidden' : ''}>{under === '' ? 'Repositories' : under}</h1>
          )}
        </div>
        {isSearchable && <Tabs show={show} q={q} under={under} />}
        {show === 'tags' && isSearchable ? <AllTags q={q} /> : <RepositoryList q={q} under={under} />}
      </div>
    </div>
  )
}

function Tabs({ show, q, under }: { show: string; q: string; under: string }) {
  const tab = (key: string, title: string) => (
    <a
      href={pathTo('', { q, under: key === 'tags' ? '' : under, show: key === 'tags' ? key : '' })}
      aria-current={show === key ? 'page' : undefined}
    >
      {title}
    </a>
  )
  return (
    <nav class="tabs" aria-label="Show">
      {tab('repositories', 'Repositories')}
      {tab('tags', 'Tags')}
    </nav>
  )
}

function RepositoryList({ q, under }: { q: string; under: string }) {
  const { query, route } = useLocation()
  const sort = query.sort ?? 'name'
  const listing = useListing((cursor, signal) => listRepositories({ q, under, sort, cursor }, signal), {
    key: `${q}\n${under}\n${sort}`,
    subject: 'repositories',
  })
  return (
    <ListingView listing={listing}>
      {({ rows, index }) =>
        rows.length === 0 ? (
          <NoRepositories q={q} under={under} />
        ) : (
          <Table
            caption="Repositories"
            columns={columnsOf(rows, index)}
            rows={rows}
            keyOf={({ name }) => name}
            sort={index.search ? sort : 'name'}
            onSort={index.search ? (next) => route(pathTo('', { ...query, sort: next }), true) : undefined}
          />
        )
      }
    </ListingView>
  )
}

const repositoryColumns: readonly Column<RepositoryRow>[] = [
  {
    key: 'name',
    title: 'Name',
    sort: 'name',
    cell: ({ name }) => <RepositoryLink name={name} />,
  },
  {
    key: 'newest',
    title: 'Newest tag',
    isWide: true,
    cell: ({ name, newestTag }) =>
      newestTag === null ? (
        '–'
      ) : (
        <a href={pathToReference({ repository: name, tag: newestTag })}>{newestTag}</a>
      ),
  },
  {
    key: 'tags',
    title: 'Tags',
    sort: 'tags',
    isDescendingFirst: true,
    isNumeric: true,
    cell: ({ tags }) => (tags === null ? '–' : formatCount(tags)),
  },
  {
    key: 'size',
    title: 'Size',
    sort: 'size',
    isDescendingFirst: true,
    isNumeric: true,
    isWide: true,
    cell: ({ size }) => (size === null ? '–' : formatBytes(size)),
  },
  {
    key: 'pulls',
    title: 'Pulls',
    sort: 'pulls',
    isDescendingFirst: true,
    isNumeric: true,
    isWide: true,
    cell: ({ pulls, lastPulledAt }) => <Pulls count={pulls} last={lastPulledAt} />,
  },
  {
    key: 'pushed',
    title: 'Pushed',
    sort: 'pushed',
    isDescendingFirst: true,
    isNumeric: true,
    cell: ({ pushedAt }) => <Ago time={pushedAt} />,
  },
]

/** Without an index only names are known, and pulls only where they are recorded. */
function columnsOf(rows: readonly RepositoryRow[], { search }: IndexState) {
  if (!search) return repositoryColumns.slice(0, 1)
  const hasPulls = rows.some(({ pulls }) => pulls !== null)
  return repositoryColumns.filter(({ key }) => key !== 'pulls' || hasPulls)
}

/** The namespace is quieter than the name itself. */
function RepositoryLink({ name }: { name: string }) {
  const slash = name.lastIndexOf('/') + 1
  return (
    <a class="name" href={pathToReference({ repository: name })}>
      <span class="muted">{name.slice(0, slash)}</span>
      {name.slice(slash)}
    </a>
  )
}

function Pulls({ count, last }: { count: number | null; last: string | null }) {
  const time = parseTime(last)
  if (count === null) return <>–</>
  return (
    <span title={time === undefined ? undefined : `Last pulled ${formatTime(time)}`}>
      {formatCount(count)}
    </span>
  )
}

function AllTags({ q }: { q: string }) {
  const { query, route } = useLocation()
  const sort = query.sort ?? '-pushed'
  const listing = useListing((cursor, signal) => listAllTags({ q, sort, cursor }, signal), {
    key: `${q}\n${sort}`,
    subject: 'tags',
  })
  return (
    <ListingView listing={listing}>
      {({ rows }) =>
        rows.length === 0 ? (
          <NoTags q={q} />
        ) : (
          <Table<TagRow>
            caption="Tags of all repositories"
            columns={allTagColumns}
            rows={rows}
            keyOf={({ repository, name }) => `${repository}:${name}`}
            copyOf={(row) => tagCommand(row.repository ?? '', row)}
            sort={sort}
            onSort={(next) => route(pathTo('', { ...query, sort: next }), true)}
          />
        )
      }
    </ListingView>
  )
}

const allTagColumns = tagColumns((row) => row.repository ?? '', { isAll: true })

function NoRepositories({ q, under }: { q: string; under: string }) {
  if (q !== '') return <Empty title="No repository matches">Try a shorter part of its name.</Empty>
  if (under !== '') return <Empty title="There are no repositories here" />
  return (
    <Empty title="There are no repositories yet">
      The first push makes one: <code>docker push {location.host}/name:tag</code>
    </Empty>
  )
}

function NoTags({ q }: { q: string }) {
  if (q === '') return <Empty title="There are no tags yet" />
  return (
    <Empty title="No tag matches">
      {!q.includes(':') && (
        <>
          To find the tags of repositories, write a part of the repository, a colon, and a part of the tag:{' '}
          <code>{q}:</code>
        </>
      )}
    </Empty>
  )
}

function NoSearch() {
  return (
    <Empty isView title="Search needs the index">
      This registry keeps no index, so that only one repository can be searched at a time. To search
      everything, set <code>index.enabled: true</code> in its configuration.
    </Empty>
  )
}

function NothingToList() {
  return (
    <Empty isView title="Please log in to see repositories">
      <LogInLink />
    </Empty>
  )
}
