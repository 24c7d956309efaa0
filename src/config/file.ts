/** YAML text to a tree. A plain scalar becomes a number or a boolean only where its text can be told from it
 *  (`5`, `true`); `0012`, `1e3` and `Yes` stay text, which the schema reads where it wants a number or a flag, so that
 *  a password or a name of digits arrives as it was written. */

import { LineCounter, parseDocument, visit } from 'yaml'
import type { ConfigProblem } from './problem.ts'
import { formatPath, isTree, type Tree, type TreeValue, toTree } from './tree.ts'

/** Reads YAML 1.2 with merge keys. `origin` names the text in problems: a file or a variable. */
export function parseYaml(text: string, origin: string): { value: TreeValue; problems: ConfigProblem[] } {
  const lines = new LineCounter()
  const document = parseDocument(text, {
    merge: true,
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'silent',
  })
  const problems = document.errors.map((error): ConfigProblem => {
    const { line, col } = lines.linePos(error.pos[0])
    return { path: `${origin}:${line}:${col}`, message: `not valid YAML: ${error.message}` }
  })
  if (problems.length > 0) return { value: null, problems }
  visit(document, {
    Scalar(_key, node) {
      if (node.type === 'PLAIN' && node.source !== undefined && node.value !== null)
        if (String(node.value) !== node.source) node.value = node.source
    },
  })
  return toTreeOf(document, origin)
}

function toTreeOf(document: { toJS(): unknown }, origin: string) {
  const problems: ConfigProblem[] = []
  try {
    const value = toTree(document.toJS(), (path) =>
      problems.push({ path: formatPath(path), message: 'unknown key' }),
    )
    return { value, problems }
  } catch (cause) {
    if (!(cause instanceof ReferenceError)) throw cause
    return { value: null, problems: [{ path: origin, message: `not valid YAML: ${cause.message}` }] }
  }
}

/** Reads a configuration file's text; no tree if it is not YAML, or no map. */
export function parseConfigFile(text: string, origin: string): { tree?: Tree; problems: ConfigProblem[] } {
  const { value, problems } = parseYaml(text, origin)
  if (isTree(value)) return { tree: value, problems }
  const message = 'found no map; accepted: keys and their values, the first of them version: 0.1'
  return { problems: problems.length > 0 ? problems : [{ path: origin, message }] }
}
