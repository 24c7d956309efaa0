import { useEffect, useRef } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { logOut } from '../api/extension.ts'
import { PAGE } from '../api/http.ts'
import { Icon } from '../components/icon.tsx'
import { pathTo } from '../model/reference.ts'
import { person, say, start } from '../state.ts'

/** Milliseconds without a key after which a search begins. */
const TYPING_MS = 200

export function Header() {
  return (
    <header class="top">
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to content
      </button>
      <a class="brand" href={PAGE}>
        <img src="icon.svg" alt="" width="22" height="22" />
        <span>Entrepot</span>
      </a>
      <Search />
      <nav class="top-links" aria-label="Main">
        <TopLink view="operations">Operations</TopLink>
        <Who />
      </nav>
    </header>
  )
}

function TopLink({ view, children }: { view: string; children: string }) {
  const { path } = useLocation()
  const href = pathTo(view)
  return (
    <a href={href} aria-current={path === href ? 'page' : undefined}>
      {children}
    </a>
  )
}

/** Searches all repositories and tags, from everywhere. */
function Search() {
  const { path, query, route } = useLocation()
  const timer = useRef<number>(undefined)
  const input = useRef<HTMLInputElement>(null)
  const isHome = `${path}/` === PAGE || path === PAGE
  const q = isHome ? (query.q ?? '') : ''
  useEffect(() => {
    if (input.current !== null && document.activeElement !== input.current) input.current.value = q
  }, [q])
  const search = useRef(() => {})
  // The latest one, because a view may change while somebody types.
  search.current = () => {
    clearTimeout(timer.current)
    const text = input.current?.value.trim() ?? ''
    if (text === q) return
    route(pathTo('', { q: text, ...(isHome && query.show !== undefined && { show: query.show }) }), isHome)
  }
  return (
    <search class="search">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          search.current()
        }}
      >
        <Icon name="search" />
        <input
          ref={input}
          id="search"
          type="search"
          placeholder="Search repositories and tags"
          aria-label="Search repositories and tags"
          aria-keyshortcuts="/"
          autocomplete="off"
          spellcheck={false}
          maxLength={200}
          defaultValue={q}
          onInput={() => {
            clearTimeout(timer.current)
            timer.current = window.setTimeout(() => search.current(), TYPING_MS)
          }}
        />
      </form>
    </search>
  )
}

function Who() {
  const { path } = useLocation()
  const self = person.value
  if (self === undefined) return null
  if (self.kind === 'anonymous') {
    if (!self.login.isPossible) return null
    const isLogin = path === pathTo('login')
    const back = isLogin ? undefined : location.pathname + location.search
    return <a href={pathTo('login', { return: back })}>Log in</a>
  }
  return (
    <>
      <button type="button" class="who" popovertarget="who-menu">
        {self.name}
      </button>
      <div id="who-menu" class="menu" popover="auto">
        <a href={pathTo('account')}>Robots and keys</a>
        {self.session !== null && (
          <button type="button" onClick={leave}>
            Log out
          </button>
        )}
      </div>
    </>
  )
}

async function leave() {
  try {
    await logOut()
    await start()
    say('You are logged out.')
  } catch (error) {
    say((error as Error).message, { isError: true })
  }
}
