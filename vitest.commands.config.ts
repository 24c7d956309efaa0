import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { COMMANDS } from './test/support/suites.ts'

export default defineConfig({
  test: {
    include: COMMANDS,
    pool: 'forks',
    expect: { poll: { timeout: 30_000, interval: 20 } },
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 180_000,
    hookTimeout: 120_000,
  },
})
