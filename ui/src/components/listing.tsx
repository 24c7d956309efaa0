import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { IndexState, Listed } from '../api/extension.ts'
import { Loaded } from './states.tsx'
import { Ago } from './time.tsx'
import { type Loading, useLoad } from './use-load.ts'

/** A list that the server sorts, searches and gives by pages. */
export interface Listing<Page extends Listed<unknown>> extends Loading<Page> {
  readonly pageNumber: number
  readonly toNext: (() => void) | undefined
  readonly toPrevious: (() => void) | undefined
}

/** While the index is filled or not available, the first page is asked for again after this time. */
const INCOMPLETE_MS = 2_000

/** @param key all that chooses the entries; the first page is shown when it changes
 *  @param subject as in `useLoad` */
export function useListing<Page extends Listed<unknown>>(
  load: (cursor: string | undefined, signal: AbortSignal) => Promise<Page>,
  { key, subject = key }: { key: string; subject?: string },
): Listing<Page> {
  const [cursors, setCursors] = useState<{ key: string; list: readonly string[] }>({ key, list: [] })
  const list = cursors.key === key ? cursors.list : []
  const cursor = list.at(-1)
  const loading = useLoad((signal) => load(cursor, signal), `${key}\n${cursor ?? ''}`, subject)
  const next = loading.value?.next ?? undefined
  useEffect(() => {
    if (list.length > 0) scrollTo({ top: 0 })
  }, [list])
  const { value, isLoading, reload } = loading
  useEffect(() => {
    if (isLoading || value?.index.complete !== false || list.length > 0) return
    const timer = setTimeout(reload, INCOMPLETE_MS)
    return () => clearTimeout(timer)
  }, [value, isLoading, list])
  return {
    ...loading,
    pageNumber: list.length + 1,
    toNext:
      next === undefined || loading.isLoading ? undefined : () => setCursors({ key, list: [...list, next] }),
    toPrevious: list.length === 0 ? undefined : () => setCursors({ key, list: list.slice(0, -1) }),
  }
}

/** The list's rows, and the way to its other pages. */
export function ListingView<Page extends Listed<unknown>>({
  listing,
  children,
}: {
  listing: Listing<Page>
  children: (page: Page) => ComponentChildren
}) {
  const { pageNumber, toNext, toPrevious } = listing
  return (
    <Loaded loading={listing}>
      {(page) => (
        <>
          {children(page)}
          <footer class="list-foot">
            <Freshness index={page.index} />
            {(toNext !== undefined || toPrevious !== undefined) && (
              <nav class="pager" aria-label="Pages">
                <button type="button" disabled={toPrevious === undefined} onClick={toPrevious}>
                  Previous
                </button>
                <span class="muted">Page {pageNumber}</span>
                <button type="button" disabled={toNext === undefined} onClick={toNext}>
                  Next
                </button>
              </nav>
            )}
          </footer>
        </>
      )}
    </Loaded>
  )
}

function Freshness({ index }: { index: IndexState }) {
  if (!index.search && !index.complete)
    return <span class="muted">Search and other orders are not available at present.</span>
  if (!index.search) return <span />
  if (!index.complete) return <span class="muted">The index is being filled; more may appear.</span>
  if (index.asOf === null) return <span />
  return (
    <span class="muted small">
      Compared with storage <Ago time={index.asOf} />
    </span>
  )
}
