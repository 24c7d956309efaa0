import { describe } from 'vitest'
import { findTool } from './tools.ts'

/** A suite that needs these programs; where one is missing it is skipped, and says which. */
export function describeWith(tools: readonly string[], title: string, suite: () => void): void {
  const missing = tools.filter((tool) => findTool(tool) === undefined)
  const reason = missing.length > 0 ? ` (skipped, not installed: ${missing.join(', ')})` : ''
  if (reason !== '') process.stdout.write(`${title}${reason}\n`)
  describe.skipIf(missing.length > 0)(`${title}${reason}`, suite)
}
