/** What policies cost: the same work with all of them and with none. */
import { pullRows } from './pulls.ts'
import { pushRows } from './pushes.ts'
import type { Row } from './row.ts'

const REGISTRIES = ['entrepot', 'baseline'] as const
const COMPARED = [
  'push-blobs',
  'push-images',
  'head-blob',
  'blob-1k',
  'manifest-by-tag',
  'manifest-by-digest',
]

export const policyRows: Row[] = [...pushRows, ...pullRows]
  .filter(({ id }) => COMPARED.includes(id))
  .flatMap((row): Row[] => [
    { ...row, id: `free-${row.id}`, title: `${row.title}, no policies`, registries: REGISTRIES },
    {
      ...row,
      id: `governed-${row.id}`,
      title: `${row.title}, all policies`,
      registries: REGISTRIES,
      variant: { ...row.variant, policies: true },
    },
  ])
