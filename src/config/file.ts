/** Parses YAML text. A plain scalar becomes a number or a boolean only if it can be converted back to the
 *  same text (`5`, `true`); `0012`, `1e3` and `Yes` stay text, so that passwords and names of digits are
 *  preserved. The schema converts them where it expects a number or a flag.
 *
 *  Hostile text can't crash the process: size, depth and the expansion of aliases are limited, and exceptions
 *  of the YAML library become problems of the text. */

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLMap,
} from 'yaml'
import { type ConfigProblem, firstOf } from './problems/problem.ts'
import { formatPath, isTree, type Tree, type TreePath, type TreeValue, toTree } from './tree.ts'

/** The library needs a second for the worst text of this size. Real ones have some kilobytes; a thousand
 *  rules have 100. */
export const MAX_CONFIG_BYTES = 256 * 1024
/** Each alias is searched for from the beginning of the text. */
const MAX_ALIASES = 1000
const MAX_DEPTH = 64
/** Aliases can expand a short text into a large tree. */
const MAX_VALUES = 100_000

interface Parsed {
  readonly value: TreeValue
  readonly problems: ConfigProblem[]
}

/** Parses YAML 1.2 with merge keys. `origin` is the file or variable, for messages. */
export function parseYaml(text: string, origin: string): Parsed {
  try {
    return text.length > MAX_CONFIG_BYTES ? tooLarge(origin) : parse(text, origin)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { value: null, problems: [{ path: origin, message: `not valid YAML: ${message}` }] }
  }
}

function tooLarge(origin: string): Parsed {
  const message = `found more than ${MAX_CONFIG_BYTES / 1024} KiB; accepted: less`
  return { value: null, problems: [{ path: origin, message }] }
}

function parse(text: string, origin: string): Parsed {
  const lines = new LineCounter()
  const document = parseDocument(text, {
    merge: true,
    // Checked below in linear time; the library's check is quadratic.
    uniqueKeys: false,
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'silent',
  })
  const found = document.errors.length > 0 ? syntaxErrors(document) : objections(document)
  const problems = firstOf(found).map(({ at, message }): ConfigProblem => {
    const { line, col } = lines.linePos(at)
    return { path: `${origin}:${line}:${col}`, message: `not valid YAML: ${message}` }
  })
  return problems.length > 0 ? { value: null, problems } : copyOf(document)
}

/** `at` is an offset in the text. */
interface Objection {
  readonly at: number
  readonly message: string
}

function syntaxErrors({ errors }: Document): Objection[] {
  return errors.map(({ pos, message }) => ({ at: pos[0], message }))
}

/** Problems of the nodes of syntactically valid text. Also gives plain scalars their original text. */
function objections(document: Document): Objection[] {
  const found: Objection[] = []
  const anchors = new Map<string, Node>()
  let aliases = 0
  const object = (node: unknown, message: string) => {
    found.push({ at: (node as Node).range?.[0] ?? 0, message })
  }
  visit(document, {
    Value(_key, node) {
      if (node.anchor !== undefined) anchors.set(node.anchor, node)
      if (isMap(node)) for (const key of repeatedKeys(node)) object(key, 'Map keys must be unique')
      if (!isScalar(node) || node.type !== 'PLAIN' || node.source === undefined || node.value === null) return
      if (String(node.value) !== node.source) node.value = node.source
    },
    Alias(_key, node) {
      aliases += 1
      if (aliases <= MAX_ALIASES) return undefined
      object(node, `more than ${MAX_ALIASES} aliases`)
      return visit.BREAK
    },
    Pair(_key, pair) {
      const resolved = (node: unknown) => (isAlias(node) ? anchors.get(node.source) : node)
      // The library converts other keys to text in a time cubic in their depth.
      if (pair.key !== null && !isScalar(resolved(pair.key))) {
        object(pair.key, 'a key is a map or a list; accepted: text')
        return visit.BREAK
      }
      if (!isMergeKey(pair)) return undefined
      const value = resolved(pair.value)
      const sources = isSeq(value) ? value.items.map(resolved) : [value]
      // https://yaml.org/type/merge.html
      if (!sources.every((source) => isMap(source)))
        object(pair.key, 'a merge key (<<) needs a map, or a list of maps')
      return undefined
    },
  })
  return found
}

function repeatedKeys({ items }: YAMLMap): unknown[] {
  const seen = new Set<string>()
  return items.flatMap(({ key }) => {
    if (!isScalar(key)) return []
    const text = String(key.value ?? '')
    if (seen.has(text)) return [key]
    seen.add(text)
    return []
  })
}

function isMergeKey({ key }: Pair): boolean {
  return isScalar(key) && key.type === 'PLAIN' && key.source === '<<'
}

/** Copies the document into a tree.
 *  @throws RangeError if it exceeds a limit */
function copyOf(document: Document): Parsed {
  const problems: ConfigProblem[] = []
  let values = 0
  const value = toTree(document.toJS(), {
    onForbidden: (path) => problems.push({ path: formatPath(path), message: 'unknown key' }),
    onValue(found, path) {
      values += 1
      if (values > MAX_VALUES) throw new RangeError(`more than ${MAX_VALUES} values`)
      if (path.length > MAX_DEPTH) throw new RangeError(tooDeep(path))
      if (!isPlain(found)) throw new TypeError(`${formatPath(path)} has a tag; accepted: maps, lists, text`)
    },
  })
  return { value, problems }
}

/** The message for excessive depth, which an alias to its own parent also has. */
function tooDeep(path: TreePath): string {
  return `${formatPath(path.slice(0, 3))} is nested more than ${MAX_DEPTH} deep, or has an alias to its own parent`
}

/** False for the results of tags: sets, dates, bytes. */
function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value !== 'symbol'
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype
}

/** Parses a configuration file. Without a tree if the text is not YAML, or not a map. */
export function parseConfigFile(text: string, origin: string): { tree?: Tree; problems: ConfigProblem[] } {
  const { value, problems } = parseYaml(text, origin)
  if (isTree(value)) return { tree: value, problems }
  const message = 'found no map; accepted: keys and their values, the first of them version: 0.1'
  return { problems: problems.length > 0 ? problems : [{ path: origin, message }] }
}
