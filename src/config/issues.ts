/** From what the schema objects to, to problems a person can mend. */

import type { z } from 'zod'
import { type KeyNode, suggestKey } from './keys.ts'
import { type ConfigProblem, mismatch } from './problem.ts'
import { formatPath, type Tree, type TreePath, type TreeValue, valueAt } from './tree.ts'

const EXPECTED: Record<string, string> = { object: 'a map of keys', record: 'a map of keys', array: 'a list' }

/** The problems of a tree. `keys` are the schema's, for hints. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], tree: Tree, keys: KeyNode): ConfigProblem[] {
  return issues.flatMap((issue): ConfigProblem[] => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => unknownKey([...issue.path, key], keys))
    const found = valueAt(tree, issue.path as TreePath)
    return [{ path: formatPath(issue.path), message: messageOf(issue, found) }]
  })
}

/** A key says what it accepts; a check of several keys says all of it. */
function messageOf(issue: z.core.$ZodIssue, found: TreeValue | undefined): string {
  if (issue.code === 'invalid_type') return mismatch(found, EXPECTED[issue.expected] ?? issue.expected)
  return issue.message.startsWith('found ') ? issue.message : mismatch(found, issue.message)
}

/** Says that nobody knows a key, and which one may have been meant. */
export function unknownKey(path: readonly PropertyKey[], keys: KeyNode): ConfigProblem {
  const meant = suggestKey(keys, path)
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`
  return { path: formatPath(path), message: `unknown key${hint}` }
}
