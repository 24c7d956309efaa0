/** Loads the configuration from a file and the environment, or reports all its errors at once. */

import { resolve } from 'node:path'
import { readTextSync } from '../lib/files/bounded-read.ts'
import { applyEnvironment } from './environment.ts'
import { MAX_CONFIG_BYTES, parseConfigFile } from './file.ts'
import { ConfigError, type ConfigProblem, type ConfigWarning } from './problems/problem.ts'
import { keysOf, removeExtensions } from './problems/schema-keys.ts'
import { problemsOf } from './problems/schema-problems.ts'
import { checkSupport } from './problems/unsupported-keys.ts'
import { type Config, configSchema } from './schema.ts'
import { emptyTree, type Tree } from './tree.ts'

export { ConfigError } from './problems/problem.ts'

/** Paths that are searched if no file is named, in this order. */
export const SEARCHED_PATHS = [
  '/etc/entrepot/config.yml',
  '/etc/distribution/config.yml',
  '/etc/docker/registry/config.yml',
]

export interface LoadOptions {
  /** The file that the user named; the others are not searched then. */
  path?: string | undefined
  env: Readonly<Record<string, string | undefined>>
  /** Reads a file as text; throws the errors of `fs`. */
  readFile?: (path: string) => string
}

export interface LoadedConfig {
  config: Config
  /** The tree before validation: plain data, from which another process can create the same configuration
   *  (`configOf`). */
  tree: Tree
  /** The configuration file; undefined for the built-in defaults. */
  source: string | undefined
  /** The content of each file that was read, by path: the configuration, and the files that variables
   *  name. */
  files: ReadonlyMap<string, string>
  warnings: ConfigWarning[]
}

/** Finds, reads and validates the configuration.
 *  @throws ConfigError with every problem */
export function loadConfig({ path, env, readFile: read = readText }: LoadOptions): LoadedConfig {
  const files = new Map<string, string>()
  const readFile = (named: string): string => {
    const text = read(named)
    files.set(named, text)
    return text
  }
  const { tree: written, source, problems } = findTree(path || env.REGISTRY_CONFIGURATION_PATH, readFile)
  const keys = keysOf(configSchema)
  const { tree, origins, ...overlaid } = applyEnvironment(written, keys, { variables: env, readFile })
  removeExtensions(tree, keys)
  // Compiling the schema pays only for repeated use.
  const checked = configSchema.safeParse(tree, { jitless: true })
  const support = checkSupport(tree)
  problems.push(...overlaid.problems)
  if (!checked.success) problems.push(...withOrigins(problemsOf(checked.error.issues, tree, keys), origins))
  problems.push(...withOrigins(support.problems, origins))
  if (!checked.success || problems.length > 0) throw new ConfigError(problems, source)
  return { config: checked.data, tree, source, files, warnings: [...overlaid.warnings, ...support.warnings] }
}

/** The configuration from a tree that was validated, here or in another process. */
export function configOf(tree: unknown): Config {
  return configSchema.parse(tree, { jitless: true })
}

/** Adds the variable's name to problems of values that it has set. */
function withOrigins(
  problems: readonly ConfigProblem[],
  origins: ReadonlyMap<string, string>,
): ConfigProblem[] {
  return problems.map(({ path, message }) => {
    const origin = origins.get(path)
    return { path, message: origin === undefined ? message : `${message} (set by ${origin})` }
  })
}

function readText(path: string): string {
  return readTextSync(path, MAX_CONFIG_BYTES)
}

interface FoundTree {
  tree: Tree
  source: string | undefined
  problems: ConfigProblem[]
}

function findTree(named: string | undefined, readFile: (path: string) => string): FoundTree {
  for (const path of named ? [named] : SEARCHED_PATHS) {
    const text = readIfThere(path, readFile)
    if (typeof text === 'string') return parsed(text, path)
    if (named || text !== undefined)
      throw new ConfigError([{ path, message: `cannot be read: ${text?.message ?? 'no such file'}` }], path)
  }
  return { tree: builtInDefaults(), source: undefined, problems: [] }
}

/** The parsed text; without a tree only the problems. */
function parsed(text: string, path: string): FoundTree {
  const { tree, problems } = parseConfigFile(text, path)
  if (tree === undefined) throw new ConfigError(problems, path)
  return { tree, source: path, problems }
}

/** A file's text, undefined if there is none, or the reason why it can't be read. */
function readIfThere(path: string, readFile: (path: string) => string): string | Error | undefined {
  try {
    return readFile(path)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === undefined) throw cause
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : new Error(message)
  }
}

/** The configuration without a file, for a developer's machine. */
function builtInDefaults(): Tree {
  return emptyTree({
    version: '0.1',
    storage: emptyTree({
      filesystem: emptyTree({ rootdirectory: resolve('data') }),
      cache: emptyTree({ blobdescriptor: 'inmemory' }),
      delete: emptyTree({ enabled: true }),
    }),
    http: emptyTree({ addr: '127.0.0.1:5000' }),
  })
}
