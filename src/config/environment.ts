/** `REGISTRY_*` variables: laid over the tree before the schema sees it, each one as if the file had its value.
 *  The order of the variables in the environment does not matter. */

import { nearest } from '../lib/nearest.ts'
import { parseYaml } from './file.ts'
import type { ConfigProblem, ConfigWarning } from './problems/problem.ts'
import { type KeyNode, nodeAt, pathsOf } from './problems/schema-keys.ts'
import { expandShorthands } from './shorthand.ts'
import {
  assign,
  copyTree,
  formatPath,
  isForbiddenKey,
  type Tree,
  type TreePath,
  type TreeValue,
} from './tree.ts'
import { resolveName } from './variable-name.ts'

const PREFIX = 'REGISTRY_'
const FILE_SUFFIX = '_FILE'

/** Variables that look like a key and are none. `REGISTRY_VERSION` is left alone because Distribution never let it
 *  override the file's, and images use it for their own. */
const NOT_KEYS = new Set(['REGISTRY_CONFIGURATION_PATH', 'REGISTRY_VERSION'])

/** What Kubernetes sets in every pod beside a service whose name begins with `registry`. */
const KUBERNETES_SERVICE =
  /^REGISTRY_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/

export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>
  /** Reads a file as text, or throws as `fs` does. */
  readonly readFile: (path: string) => string
}

export interface Overlaid {
  tree: Tree
  problems: ConfigProblem[]
  warnings: ConfigWarning[]
  /** Which variable set which path. */
  origins: Map<string, string>
}

interface Override {
  name: string
  path: TreePath
  /** The value stands in a file that the variable names. */
  isFile: boolean
  text: string
}

/** Lays the variables over a copy of the tree. `keys` are the schema's. */
export function applyEnvironment(tree: Tree, keys: KeyNode, { variables, readFile }: Environment): Overlaid {
  const overlaid: Overlaid = { tree: copyTree(tree), problems: [], warnings: [], origins: new Map() }
  expandShorthands(overlaid.tree)
  const overrides: Override[] = []
  for (const [name, text] of Object.entries(variables)) {
    if (text === undefined || !name.startsWith(PREFIX) || NOT_KEYS.has(name)) continue
    const override = addressed(name, text, keys)
    if (override?.isFile && override.path.length === 1) overlaid.warnings.push(ofOthers(name))
    else if (override) overrides.push(override)
    else if (!KUBERNETES_SERVICE.test(name)) overlaid.warnings.push(unknownVariable(name, keys))
  }
  for (const override of overrides.sort(byPath)) apply(override, keys, readFile, overlaid)
  overlaid.warnings.sort((a, b) => (a.path < b.path ? -1 : 1))
  return overlaid
}

/** A name that is a key itself goes before one that says the value is in a file: `REGISTRY_HEALTH_FILE` is
 *  `health.file`. Free keys are what is left, so there the file wins. */
function addressed(name: string, text: string, keys: KeyNode): Override | undefined {
  const key = name.slice(PREFIX.length)
  const direct = resolveName(keys, key)
  if (direct && !direct.isFree) return { name, path: direct.path, isFile: false, text }
  const viaFile = key.endsWith(FILE_SUFFIX) ? resolveName(keys, key.slice(0, -FILE_SUFFIX.length)) : undefined
  if (viaFile) return { name, path: viaFile.path, isFile: true, text }
  return direct && { name, path: direct.path, isFile: false, text }
}

/** Sections before what is in them, and the entries of a list in their order. */
function byPath(a: Override, b: Override): number {
  for (const [index, step] of a.path.entries()) {
    const other = b.path[index]
    if (other === undefined) return 1
    if (step === other) continue
    return typeof step === 'number' && typeof other === 'number' ? step - other : step < other ? -1 : 1
  }
  return a.path.length - b.path.length || (a.name < b.name ? -1 : 1)
}

function apply(
  override: Override,
  keys: KeyNode,
  readFile: (path: string) => string,
  overlaid: Overlaid,
): void {
  const { name, path } = override
  const where = formatPath(path)
  const earlier = overlaid.origins.get(where)
  if (earlier !== undefined) {
    overlaid.problems.push({ path: name, message: `sets ${where}, which ${earlier} sets too` })
    return
  }
  const { value, problems } = readValue(override, nodeAt(keys, path), readFile)
  if (problems.length > 0) overlaid.problems.push(...problems.map((problem) => ofVariable(problem, name)))
  else if (assign(overlaid.tree, path, value)) overlaid.origins.set(where, name)
  else overlaid.problems.push({ path: name, message: `cannot set ${where}: ${skipReason(path)}` })
  expandShorthands(overlaid.tree)
}

function skipReason(path: TreePath): string {
  if (path.some((step) => typeof step === 'string' && isForbiddenKey(step))) return 'unknown key'
  const isEntry = path.some((step) => typeof step === 'number')
  return `what it belongs to is something else${isEntry ? ', or a list that ends before it' : ''}`
}

/** Says which variable a problem is of, where it says only in which part of its value it is. */
function ofVariable({ path, message }: ConfigProblem, name: string): ConfigProblem {
  return path.startsWith(name) ? { path, message } : { path: name, message: `${path}: ${message}` }
}

function readValue(
  { name, isFile, text }: Override,
  node: KeyNode | undefined,
  readFile: (path: string) => string,
): { value: TreeValue; problems: ConfigProblem[] } {
  if (!isFile) return node?.kind === 'value' ? readScalar(text, name) : parseYaml(text, name)
  try {
    const content = readFile(text).replace(/\r?\n$/, '')
    return node?.kind === 'value' ? { value: plain(content), problems: [] } : parseYaml(content, name)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === undefined) throw cause
    return {
      value: null,
      problems: [{ path: name, message: `the file it names cannot be read: ${message}` }],
    }
  }
}

/** Text as it is, whatever it would be in YAML: a secret may begin with `#` or `*`. What YAML reads as the same number or flag is one,
 *  and so is what stands in quotation marks or brackets. */
function readScalar(text: string, name: string): { value: TreeValue; problems: ConfigProblem[] } {
  const { value, problems } = parseYaml(text, name)
  const written = text.trim()
  const isWhole =
    /^(?:".*"|'.*'|\[.*\]|\{.*\})$/s.test(written) || (typeof value !== 'object' && written === String(value))
  const isNothing = value === null && /^(?:~|null|Null|NULL)?$/.test(written)
  return problems.length === 0 && (isWhole || isNothing) ? { value, problems } : { value: text, problems: [] }
}

/** A flag is one also where it stands in a file of its own; for a text it is the same. */
function plain(content: string): TreeValue {
  return content === 'true' || content === 'false' ? content === 'true' : content
}

/** `REGISTRY_AUTH_FILE` names a file of podman's. */
function ofOthers(name: string): ConfigWarning {
  return {
    path: name,
    message: 'is ignored: a whole section is not read from a file, and other programs have such variables',
  }
}

function unknownVariable(name: string, keys: KeyNode): ConfigWarning {
  const known = pathsOf(keys).map((path) => path.join('_').toUpperCase())
  const meant = nearest(name.slice(PREFIX.length), known)
  const hint = meant === undefined ? '' : `; did you mean ${PREFIX}${meant}?`
  return { path: name, message: `names no key and is ignored${hint}` }
}
