/** Translates the schema's issues into problems worded for the operator. */

import type * as z from 'zod'
import { formatPath, type Tree, type TreePath, type TreeValue, valueAt } from '../tree.ts'
import { type ConfigProblem, firstOf, mismatch } from './problem.ts'
import { type KeyNode, suggestKey } from './schema-keys.ts'

const EXPECTED: Record<string, string> = { object: 'a map of keys', record: 'a map of keys', array: 'a list' }

/** The first problems of a tree. `keys` are the schema's, for hints. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], tree: Tree, keys: KeyNode): ConfigProblem[] {
  return firstOf(allProblems(issues, tree, keys))
}

/** Lazy, because hints take time. */
function* allProblems(
  issues: readonly z.core.$ZodIssue[],
  tree: Tree,
  keys: KeyNode,
): Generator<ConfigProblem> {
  for (const issue of issues) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) yield unknownKey([...issue.path, key], keys)
    } else {
      const found = valueAt(tree, issue.path as TreePath)
      yield { path: formatPath(issue.path), message: messageOf(issue, found) }
    }
  }
}

/** The message of an issue. A key's own message states the accepted values; a check of several keys has a
 *  complete message. */
function messageOf(issue: z.core.$ZodIssue, found: TreeValue | undefined): string {
  if (issue.code === 'invalid_type') return mismatch(found, EXPECTED[issue.expected] ?? issue.expected)
  return issue.message.startsWith('found ') ? issue.message : mismatch(found, issue.message)
}

/** The problem of an unknown key, with the key that may be meant. */
export function unknownKey(path: readonly PropertyKey[], keys: KeyNode): ConfigProblem {
  const meant = suggestKey(keys, path)
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`
  return { path: formatPath(path), message: `unknown key${hint}` }
}
