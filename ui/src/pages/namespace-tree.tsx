import { useState } from 'preact/hooks'
import { listNamespaces, type Namespace } from '../api/extension.ts'
import { Icon } from '../components/icon.tsx'
import { useLoad } from '../components/use-load.ts'
import { formatCount } from '../model/format.ts'
import { pathTo } from '../model/reference.ts'

/** The namespaces of all repositories; each level is loaded when it is opened.
 *  @param present the namespace whose repositories are shown; empty for all */
export function NamespaceTree({ present }: { present: string }) {
  return (
    <details class="tree" open={matchMedia('(min-width: 900px)').matches}>
      <summary>Namespaces</summary>
      <a class="tree-all" href={pathTo('')} aria-current={present === '' ? 'page' : undefined}>
        All repositories
      </a>
      <Level under="" present={present} />
    </details>
  )
}

/** More than this is found by search, not by reading. */
const SHOWN = 200

function Level({ under, present }: { under: string; present: string }) {
  const { value = [] } = useLoad((signal) => listNamespaces(under, signal), under)
  const namespaces = value.filter(({ repositories }) => repositories > 0)
  const shown = namespaces.slice(0, SHOWN)
  if (shown.length === 0) return null
  return (
    <ul>
      {shown.map((namespace) => (
        <Branch key={namespace.name} namespace={namespace} under={under} present={present} />
      ))}
      {namespaces.length > SHOWN && <li class="muted">{formatCount(namespaces.length - SHOWN)} more</li>}
    </ul>
  )
}

function Branch({ namespace, under, present }: { namespace: Namespace; under: string; present: string }) {
  const { name, repositories } = namespace
  // A name is given whole, or below its parent.
  const path = under === '' || name.startsWith(`${under}/`) ? name : `${under}/${name}`
  const isWithin = present === path || present.startsWith(`${path}/`)
  const [isOpen, setOpen] = useState(isWithin)
  const label = path.slice(path.lastIndexOf('/') + 1)
  return (
    <li>
      <div class="branch">
        <button
          type="button"
          class="icon-button"
          aria-expanded={isOpen}
          aria-label={`Namespaces in ${path}`}
          onClick={() => setOpen(!isOpen)}
        >
          <Icon name="chevron" />
        </button>
        <a href={pathTo('', { under: path })} aria-current={present === path ? 'page' : undefined}>
          <span>{label}</span>
          <span class="count">{formatCount(repositories)}</span>
        </a>
      </div>
      {isOpen && <Level under={path} present={present} />}
    </li>
  )
}
