import { availableParallelism } from 'node:os'
import { configDefaults, defineConfig } from 'vitest/config'
import { COMMANDS, STORES } from './test/support/suites.ts'

/** The suites that need nothing but Node. Those that need real clients have scripts of their own. */
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: [
      ...configDefaults.exclude,
      'test/{e2e,conformance,crash,fuzz,processes,package,page}/**',
      ...STORES,
      ...COMMANDS,
    ],
    globalSetup: 'test/support/name-other-suites.ts',
    pool: 'forks',
    expect: { poll: { timeout: 30_000, interval: 20 } },
    // Much of the time is spent waiting for servers.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Disks of shared machines stand still for half a minute at times.
    testTimeout: 180_000,
    hookTimeout: 120_000,
  },
})
