/** The rows of the other files that say something of object storage, with the content on an S3 server. */
import { processRows } from './process.ts'
import { pullRows } from './pulls.ts'
import { pushRows } from './pushes.ts'
import type { Row } from './row.ts'

const ids = ['head-blob', 'manifest-by-tag', 'blob-64m', 'push-images', 'stream-512m', 'memory-uploads']

export const s3Rows: Row[] = [...pullRows, ...pushRows, ...processRows]
  .filter(({ id }) => ids.includes(id))
  .map((row) => ({
    ...row,
    id: `s3-${row.id}`,
    title: `${row.title}, on S3`,
    registries: ['entrepot', 'distribution3', 'distribution2'],
    variant: { ...row.variant, storage: 's3' },
  }))
