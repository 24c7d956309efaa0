/** The real programs that suites run against the registry: found on PATH or in `.cache/tools/bin`, where
 *  `test/e2e/install-tools.sh` puts those that are built with Go. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const ownTools = fileURLToPath(new URL('../../.cache/tools/bin', import.meta.url))

/** Where the program is, or undefined. A path is taken as it is. */
export function findTool(name: string): string | undefined {
  if (isAbsolute(name)) return isExecutable(name) ? name : undefined
  const folders = [ownTools, ...(process.env.PATH ?? '').split(delimiter)]
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

/** @throws Error when it is not there */
export function requireTool(name: string): string {
  const path = findTool(name)
  if (path === undefined) throw new Error(`${name} is not installed`)
  return path
}

export interface RunOptions {
  readonly workingFolder?: string
  readonly environment?: Readonly<Record<string, string>>
}

/** Runs a program to its end and returns what it printed on stdout.
 *  @throws Error with all it printed when it fails */
export async function run(
  tool: string,
  args: readonly string[],
  { workingFolder, environment }: RunOptions = {},
): Promise<string> {
  const child = spawn(requireTool(tool), args, {
    cwd: workingFolder,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  if (code !== 0) throw new Error(`${tool} ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`)
  return stdout
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
