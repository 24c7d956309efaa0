import type { TagRow } from '../api/extension.ts'
import { Digest } from '../components/copy.tsx'
import type { Column } from '../components/table.tsx'
import { Ago } from '../components/time.tsx'
import { pullCommand } from '../model/commands.ts'
import { formatBytes } from '../model/format.ts'
import { KIND_NAMES, kindOfRow } from '../model/kind.ts'
import { pathToReference } from '../model/reference.ts'

/** The columns of a list of tags. */
export function tagColumns(
  repositoryOf: (row: TagRow) => string,
  { isAll = false }: { isAll?: boolean } = {},
): readonly Column<TagRow>[] {
  return [
    {
      key: 'name',
      title: 'Tag',
      sort: 'name',
      cell: (row) => (
        <a class="name" href={pathToReference({ repository: repositoryOf(row), tag: row.name })}>
          {isAll && <span class="muted">{repositoryOf(row)}:</span>}
          {row.name}
        </a>
      ),
    },
    { key: 'kind', title: 'Kind', isWide: true, cell: (row) => <KindOf row={row} /> },
    { key: 'digest', title: 'Digest', isWide: true, cell: ({ digest }) => <Digest digest={digest} /> },
    {
      key: 'size',
      title: 'Size',
      sort: 'size',
      isDescendingFirst: true,
      isNumeric: true,
      cell: ({ size }) => (size === null ? '–' : formatBytes(size)),
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
}

const SHOWN_PLATFORMS = 2

function KindOf({ row }: { row: TagRow }) {
  const { platforms } = row
  const kind = kindOfRow(row)
  if (platforms.length === 0) return <span class="chip">{KIND_NAMES[kind]}</span>
  const rest = platforms.length - SHOWN_PLATFORMS
  return (
    <span class="chips" title={platforms.join(', ')}>
      {platforms.slice(0, SHOWN_PLATFORMS).map((platform) => (
        <span class="chip" key={platform}>
          {platform}
        </span>
      ))}
      {rest > 0 && <span class="muted">+{rest}</span>}
    </span>
  )
}

/** The command that pulls the row's tag. */
export function tagCommand(repository: string, row: TagRow): string {
  return pullCommand({ repository, tag: row.name }, kindOfRow(row))
}
