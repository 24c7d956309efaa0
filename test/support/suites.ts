/** Object stores, each a server of its own that takes most of a processor while it is tested. */
export const STORES = [
  'src/storage/{azure,gcs,s3}.test.ts',
  'src/storage/{azure,gcs,s3}/**/*.test.ts',
  'src/registry/registry-on-azure.test.ts',
  'test/s3/**/*.test.ts',
]
