import { defineConfig } from 'vitest/config'

/** The suites that need nothing but Node. Those that need real clients have scripts of their own. */
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
