import { defineConfig } from 'vitest/config'

/** The suites that run whole servers for a long time, or need programs that are not in this package: each has a script
 *  of its own in package.json, which names what it runs. */
export default defineConfig({
  test: {
    include: ['test/{e2e,conformance,crash,fuzz,processes,package,page}/**/*.test.ts'],
    pool: 'forks',
    expect: { poll: { timeout: 30_000, interval: 20 } },
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 180_000,
  },
})
