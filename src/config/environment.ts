/** Overlays `REGISTRY_*` variables on the tree before validation, as if the file had their values. The order
 *  of the variables does not matter. */

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

/** Variables that look like keys but are none. Distribution ignores `REGISTRY_VERSION` too, and images set it
 *  for their own purposes. */
const NOT_KEYS = new Set(['REGISTRY_CONFIGURATION_PATH', 'REGISTRY_VERSION'])

/** Variables that Kubernetes sets in every pod for a service whose name begins with `registry`. */
const KUBERNETES_SERVICE =
  /^REGISTRY_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/

export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>
  /** Reads a file as text; throws the errors of `fs`. */
  readonly readFile: (path: string) => string
}

export interface Overlaid {
  tree: Tree
  problems: ConfigProblem[]
  warnings: ConfigWarning[]
  /** The variable that has set a path. */
  origins: Map<string, string>
}

interface Override {
  name: string
  path: TreePath
  /** True if the variable names a file with the value. */
  isFile: boolean
  text: string
}

/** Overlays the variables on a copy of the tree. `keys` are the schema's. */
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

/** The key that a variable sets. A name that is a key takes precedence over one with the suffix `_FILE`:
 *  `REGISTRY_HEALTH_FILE` is `health.file`. Among free keys the suffix takes precedence. */
function addressed(name: string, text: string, keys: KeyNode): Override | undefined {
  const key = name.slice(PREFIX.length)
  const direct = resolveName(keys, key)
  if (direct && !direct.isFree) return { name, path: direct.path, isFile: false, text }
  const viaFile = key.endsWith(FILE_SUFFIX) ? resolveName(keys, key.slice(0, -FILE_SUFFIX.length)) : undefined
  if (viaFile) return { name, path: viaFile.path, isFile: true, text }
  return direct && { name, path: direct.path, isFile: false, text }
}

/** Sections before their keys, and list entries in their order. */
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
  return `its parent has another type${isEntry ? ', or a list that ends before it' : ''}`
}

/** Prefixes a problem with the variable's name, if its path is only within the value. */
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

/** Keeps text as it is, even if YAML would read it differently: a secret may begin with `#` or `*`. Numbers,
 *  flags, and values in quotation marks or brackets are read as YAML. */
function readScalar(text: string, name: string): { value: TreeValue; problems: ConfigProblem[] } {
  const { value, problems } = parseYaml(text, name)
  const written = text.trim()
  const isWhole =
    /^(?:".*"|'.*'|\[.*\]|\{.*\})$/s.test(written) || (typeof value !== 'object' && written === String(value))
  const isNothing = value === null && /^(?:~|null|Null|NULL)?$/.test(written)
  return problems.length === 0 && (isWhole || isNothing) ? { value, problems } : { value: text, problems: [] }
}

/** `true` and `false` in a file of their own are flags; as text they are the same. */
function plain(content: string): TreeValue {
  return content === 'true' || content === 'false' ? content === 'true' : content
}

/** `REGISTRY_AUTH_FILE` belongs to podman. */
function ofOthers(name: string): ConfigWarning {
  return {
    path: name,
    message: 'is ignored: sections cannot be read from files, and other programs use such variables',
  }
}

function unknownVariable(name: string, keys: KeyNode): ConfigWarning {
  const known = pathsOf(keys).map((path) => path.join('_').toUpperCase())
  const meant = nearest(name.slice(PREFIX.length), known)
  const hint = meant === undefined ? '' : `; did you mean ${PREFIX}${meant}?`
  return { path: name, message: `names no key and is ignored${hint}` }
}
