import { PAGE } from '../api/http.ts'
import { pathTo, pathToReference, type Reference } from '../model/reference.ts'

/** Where a repository or an image is: its namespaces, the repository, the tag or digest. */
export function Breadcrumb({ namespace = '', reference }: { namespace?: string; reference?: Reference }) {
  const parents = (reference?.repository ?? namespace).split('/').filter(Boolean)
  const last = reference === undefined ? undefined : parents.pop()
  const isImage = reference?.tag !== undefined || reference?.digest !== undefined
  return (
    <nav class="breadcrumb" aria-label="Breadcrumb">
      <ol>
        <li>
          <a href={PAGE}>Repositories</a>
        </li>
        {parents.map((part, index) => (
          <li key={part + String(index)}>
            <a href={pathTo('', { under: parents.slice(0, index + 1).join('/') })}>{part}</a>
          </li>
        ))}
        {reference !== undefined && last !== undefined && (
          <li>
            {isImage ? (
              <a href={pathToReference({ repository: reference.repository })}>{last}</a>
            ) : (
              <span aria-current="page">{last}</span>
            )}
          </li>
        )}
      </ol>
    </nav>
  )
}
