/** What is shown in place of content: while it loads, if there is none, and if it cannot be shown. */
import type { ComponentChildren } from 'preact'
import type { ApiError } from '../api/http.ts'
import { pathTo } from '../model/reference.ts'
import { person } from '../state.ts'
import type { Loading } from './use-load.ts'

/** Shows a loaded value, or what keeps it from being shown. */
export function Loaded<T>({
  loading,
  children,
}: {
  loading: Loading<T>
  children: (value: T) => ComponentChildren
}) {
  const { value, error, isLoading, isSlow, reload } = loading
  if (error !== undefined) return <Failed error={error} retry={reload} />
  if (value === undefined) return <Waiting isSlow={isSlow} />
  return (
    <div class="loaded" aria-busy={isLoading}>
      {isLoading && isSlow && <Slow />}
      {children(value)}
    </div>
  )
}

function Waiting({ isSlow }: { isSlow: boolean }) {
  return (
    <div class="state" role="status">
      <span class="skeleton" aria-hidden="true" />
      <span class="skeleton" aria-hidden="true" />
      <span class="skeleton" aria-hidden="true" />
      {isSlow ? <Slow /> : <span class="visually-hidden">Loading</span>}
    </div>
  )
}

function Slow() {
  return <p class="muted">The registry takes longer than usual to answer.</p>
}

/** @param isView true if nothing else is shown, so that the title is the view's */
export function Empty({
  title,
  isView = false,
  children,
}: {
  title: string
  isView?: boolean
  children?: ComponentChildren
}) {
  const Title = isView ? 'h1' : 'p'
  return (
    <div class="state">
      <Title class="state-title">{title}</Title>
      {children !== undefined && <div class="muted">{children}</div>}
    </div>
  )
}

export function Failed({ error, retry }: { error: ApiError; retry?: () => void }) {
  const { title, hint } = explained(error)
  return (
    <div class="state" role="alert">
      <p class="state-title">{title}</p>
      <p class="muted">{hint}</p>
      {error.status === 401 || (error.status === 403 && person.value?.kind === 'anonymous') ? (
        <LogInLink />
      ) : (
        retry !== undefined && (
          <button type="button" onClick={retry}>
            Try again
          </button>
        )
      )}
    </div>
  )
}

/** To the login, and back to this view afterwards. */
export function LogInLink() {
  if (person.value?.login.isPossible === false) return null
  return (
    <a class="button primary" href={pathTo('login', { return: location.pathname + location.search })}>
      Log in
    </a>
  )
}

function explained({ status, message }: ApiError): { title: string; hint: string } {
  switch (status) {
    case 0:
      return { title: 'No connection', hint: message }
    case 401:
      return { title: 'Please log in', hint: 'This is shown to people who have logged in.' }
    case 403:
      return { title: 'No permission', hint: 'Your login may not see this.' }
    case 404:
      return { title: 'Not found', hint: 'It may have been deleted, or never have existed.' }
    case 429:
      return { title: 'Too many requests', hint: 'Please wait for a moment.' }
    case 503:
      return { title: 'Not available at present', hint: message }
    default:
      return { title: 'This could not be shown', hint: message }
  }
}
