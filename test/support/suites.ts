/** Object stores and Redis, each a server of its own that takes most of a processor while it is tested. */
export const STORES = [
  'src/storage/{azure,gcs,s3}.test.ts',
  'src/storage/{azure,gcs,s3}/**/*.test.ts',
  'src/registry/registry-on-azure.test.ts',
  'src/cache/redis.test.ts',
  'test/s3/**/*.test.ts',
  'test/support/s3-server.test.ts',
]

/** Commands and examples as processes of their own, and registries that speak to other servers: most of the time goes into
 *  starting them, and into waiting for one another. */
export const COMMANDS = [
  'test/{cli,serve}.test.ts',
  'test/{cli-access,cli-accounts,cli-gc,cli-repository,cli-retention,cloudfront,metrics,redirects,redis-failures,redis-shapes,replicas}.test.ts',
  'test/examples*.test.ts',
  'test/serve-*.test.ts',
  'test/{client,mirror,notifications,workers}/**/*.test.ts',
  'test/index/{announcements,postgres}.test.ts',
]
