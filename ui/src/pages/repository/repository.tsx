import { useEffect, useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { hasExtension, listTags, type TagRow } from '../../api/extension.ts'
import { recordsHistory } from '../../api/history.ts'
import { countsUsage } from '../../api/usage.ts'
import { Breadcrumb } from '../../components/breadcrumb.tsx'
import { Filter } from '../../components/filter.tsx'
import { ListingView, useListing } from '../../components/listing.tsx'
import { Empty } from '../../components/states.tsx'
import { Table } from '../../components/table.tsx'
import { useLoad } from '../../components/use-load.ts'
import { useTitle } from '../../components/use-title.ts'
import { plural } from '../../model/format.ts'
import { formatReference, pathToReference } from '../../model/reference.ts'
import { person } from '../../state.ts'
import { tagColumns, tagCommand } from '../tag-columns.tsx'
import { DeleteDialog } from './delete-dialog.tsx'
import { DeleteRepository } from './delete-repository.tsx'
import { Deleted } from './deleted.tsx'
import { Untagged } from './untagged.tsx'
import { Usage } from './usage.tsx'

/** A repository: its tags, what has no tag, what was deleted, what it takes. */
export function Repository({ name }: { name: string }) {
  const { query } = useLocation()
  const { show = 'tags' } = query
  useTitle(name)
  const { value: canRestore = false } = useLoad((signal) => recordsHistory(name, signal), name)
  const { value: isCounted = false } = useLoad((signal) => countsUsage(name, signal), `${name} usage`)
  const views = viewsOf({ canRestore, isCounted })
  const View = views.find(({ key }) => key === show)?.view ?? Tags
  return (
    <>
      <div class="view-head">
        <Breadcrumb reference={{ repository: name }} />
        <h1>{name}</h1>
      </div>
      {views.length > 1 && (
        <nav class="tabs" aria-label="Show">
          {views.map(({ key, title }) => (
            <a
              key={key}
              href={pathToReference({ repository: name }, { show: key === 'tags' ? '' : key })}
              aria-current={show === key ? 'page' : undefined}
            >
              {title}
            </a>
          ))}
        </nav>
      )}
      <View name={name} canRestore={canRestore} />
    </>
  )
}

/** The views that this registry has an API for. */
function viewsOf({ canRestore, isCounted }: { canRestore: boolean; isCounted: boolean }) {
  const all = [
    { key: 'tags', title: 'Tags', view: Tags, isThere: true },
    { key: 'untagged', title: 'Untagged', view: Untagged, isThere: hasExtension('catalog/repositories') },
    { key: 'deleted', title: 'Deleted', view: Deleted, isThere: canRestore },
    { key: 'usage', title: 'Usage', view: Usage, isThere: isCounted },
  ]
  return all.filter(({ isThere }) => isThere)
}

function Tags({ name, canRestore }: { name: string; canRestore: boolean }) {
  const { query, route } = useLocation()
  const isSearchable = person.value?.registry.search === true
  const { q = '', sort = isSearchable ? '-pushed' : 'name' } = query
  const [selected, select] = useState<ReadonlySet<string>>(new Set())
  const [doomed, setDoomed] = useState<readonly string[]>()
  const listing = useListing((cursor, signal) => listTags(name, { q, sort, cursor }, signal), {
    key: `${q}\n${sort}`,
    subject: 'tags',
  })
  const { actions = [], rows = [] } = listing.value ?? {}
  const mayDelete = actions.includes('delete')
  // What is not shown any more is not selected.
  useEffect(() => {
    const shown = listing.value?.rows.map((row) => row.name) ?? []
    select((last) => (last.size === 0 ? last : new Set(shown.filter((tag) => last.has(tag)))))
  }, [listing.value])
  const go = (change: Record<string, string>) =>
    route(
      pathToReference({ repository: name }, { ...query, reference: '', q, sort: query.sort, ...change }),
      true,
    )
  return (
    <>
      <div class="toolbar">
        <Filter value={q} label="Filter tags" onChange={(next) => go({ q: next })} />
        {selected.size > 0 && (
          <fieldset class="selection">
            <legend class="visually-hidden">Selection</legend>
            <span>{plural(selected.size, 'tag')} selected</span>
            <button type="button" class="danger" onClick={() => setDoomed([...selected])}>
              Delete
            </button>
            <button type="button" onClick={() => select(new Set())}>
              Clear
            </button>
          </fieldset>
        )}
      </div>
      <ListingView listing={listing}>
        {({ index }) =>
          rows.length === 0 ? (
            <Empty title={q === '' ? 'This repository has no tags' : 'No tag matches'} />
          ) : (
            <Table<TagRow>
              caption={`Tags of ${name}`}
              columns={tagColumns(() => name)}
              rows={rows}
              keyOf={(row) => row.name}
              copyOf={(row) => tagCommand(name, row)}
              sort={index.search ? sort : 'name'}
              onSort={index.search ? (next) => go({ sort: next }) : undefined}
              selection={mayDelete ? { keys: selected, set: select } : undefined}
            />
          )
        }
      </ListingView>
      {mayDelete && canRestore && <DeleteRepository name={name} />}
      {doomed !== undefined && (
        <DeleteDialog
          repository={name}
          canUndo={canRestore}
          tags={doomed.map((tag) => ({ tag, digest: rows.find((row) => row.name === tag)?.digest ?? '' }))}
          onClose={() => setDoomed(undefined)}
          onChange={() => {
            select(new Set())
            listing.reload()
          }}
        />
      )}
      <span hidden data-copy={`docker pull ${location.host}/${formatReference({ repository: name })}`} />
    </>
  )
}
