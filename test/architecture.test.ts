/** The house's one rule, "who may import whom" (docs/architecture.md), read off the source. */
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { filesBelow } from './support/storage-tree.ts'

const source = fileURLToPath(new URL('../src', import.meta.url))

/** What each part of the source may import besides itself, `core` and `lib`. A folder that is not named here: nothing. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  main: ['cli'],
  cli: ['app', 'auth', 'client', 'config', 'observability', 'workers'],
  app: ['*'],
}

/** The parts that may touch files by themselves; for the others there is the StorageDriver. Users, robots, keys and certificates are
 *  in files of their own; a health check may look for one; the web page is built into files; the client keeps logins, layouts and
 *  archives. */
const mayTouchFiles = ['storage', 'config', 'cli', 'client', 'auth', 'tls', 'health', 'page', 'lib']

interface Import {
  readonly file: string
  readonly from: string
  readonly specifier: string
}

const files = (await filesBelow(source)).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))

const imports = files.flatMap(importsOf)

test('there is something to check', () => {
  expect(imports.length).toBeGreaterThan(100)
})

test('core imports nothing else of ours', () => {
  expect(
    described(imports.filter((one) => one.from === 'core' && (targetOf(one) ?? 'core') !== 'core')),
  ).toEqual([])
})

test('a folder imports itself, core and lib; only the top wires them together', () => {
  expect(described(imports.filter((one) => !isAllowed(one)))).toEqual([])
})

test('only storage, config, cli, client, auth, tls, health, page and lib touch files', () => {
  const touching = imports.filter(({ specifier }) => /^node:fs(\/|$)/.test(specifier))
  expect(described(touching.filter(({ from }) => !mayTouchFiles.includes(from)))).toEqual([])
})

test('only cli and config read the environment', () => {
  const readers = [...new Set(imports.map(({ file }) => file))].filter((file) =>
    readFileSync(join(source, file), 'utf8').includes('process.env'),
  )
  expect(readers.filter((file) => !['main', 'cli', 'config'].includes(partOf(file)))).toEqual([])
})

test('no file imports itself by way of others', () => {
  expect(circles()).toEqual([])
})

test('no folder has more than 16 files', () => {
  const counts = new Map<string, number>()
  for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1)
  expect([...counts].filter(([, count]) => count > 16)).toEqual([])
})

test('the web page and the registry share no code', async () => {
  const page = fileURLToPath(new URL('../ui/src', import.meta.url))
  const sources = (await filesBelow(page)).filter((file) => /\.tsx?$/.test(file))
  expect(sources.length).toBeGreaterThan(20)
  const outside = sources.flatMap((file) =>
    [...readFileSync(join(page, file), 'utf8').matchAll(/(?:from|import\()\s*'([^']+)'/g)]
      .map((match) => match[1] ?? '')
      .filter((specifier) =>
        specifier.startsWith('.')
          ? join(dirname(file), specifier).startsWith('..')
          : !/^(?:preact|@preact\/signals|preact-iso)(?:\/|$)/.test(specifier),
      )
      .map((specifier) => `${file} imports ${specifier}`),
  )
  expect(outside).toEqual([])
  expect(described(imports.filter(({ specifier }) => /\bui\/src\b/.test(specifier)))).toEqual([])
})

function isAllowed(one: Import): boolean {
  const target = targetOf(one)
  if (target === undefined || target === one.from || target === 'core' || target === 'lib') return true
  const allowed = mayImport[one.from] ?? []
  return allowed.includes(target) || allowed.includes('*')
}

/** The first way back to a file for each that has one. */
function circles(): string[] {
  const targets = new Map<string, string[]>()
  for (const { file, specifier } of imports) {
    if (specifier.startsWith('.'))
      targets.set(file, [...(targets.get(file) ?? []), join(dirname(file), specifier)])
  }
  const done = new Set<string>()
  const found: string[] = []
  const visit = (file: string, way: readonly string[]) => {
    if (way.includes(file)) found.push([...way.slice(way.indexOf(file)), file].join(' → '))
    if (done.has(file) || way.includes(file)) return
    for (const target of targets.get(file) ?? []) visit(target, [...way, file])
    done.add(file)
  }
  for (const file of targets.keys()) visit(file, [])
  return found
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(source, file), 'utf8')
  const specifiers = text.matchAll(
    /^(?:import|export)\b[^'"=]*?\bfrom '([^']+)'|^import '([^']+)'|\bimport\(\s*'([^']+)'/gm,
  )
  return [...specifiers].map((match) => ({
    file,
    from: partOf(file),
    specifier: match[1] ?? match[2] ?? match[3] ?? '',
  }))
}

/** The part of our source that an import leads to; undefined for a package, and for the package's own description. */
function targetOf({ file, specifier }: Import): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  const target = join(dirname(file), specifier)
  return target === '../package.json' ? undefined : partOf(target)
}

/** The folder under `src`, or the name of a file that stands there itself. */
function partOf(file: string): string {
  const [first = ''] = relative('.', file).split('/')
  return first.replace(/\.ts$/, '')
}

function described(found: readonly Import[]): string[] {
  return found.map(({ file, specifier }) => `${file} imports ${specifier}`)
}
