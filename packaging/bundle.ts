/** Makes Entrepot's code and its packages one folder, with nothing to install besides Node.
 *
 *  The code of storages and helpers that a configuration does not name stays in files that are not read. The same source
 *  always makes the same bytes. `sbom.cdx.json` lists the packages in it. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type BuildOptions, build, type Plugin } from 'esbuild'
import { build as buildPage } from 'vite'
import { withDirectBuiltins } from './builtins.ts'
import { chosenByCommand, clientBuild, sharedEntryPoint } from './client-file.ts'
import { sbomOf } from './sbom.ts'

export const root = join(import.meta.dirname, '..')
export const { name, version, description, license, engines, devDependencies } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
)

/** As Node calls it (`process.arch`). */
export type Processor = 'x64' | 'arm64'

/** Makes the bundle for Linux anew and returns its folder, below `build/`. */
export async function makeBundle(processor: Processor): Promise<string> {
  const folder = join(root, 'build', `${name}-${version}-linux-${processor}`)
  rmSync(folder, { recursive: true, force: true })
  const code = await bundleCode(join(folder, 'lib', 'app'), nativeBcrypt(processor))
  // Beside the folder of the code, where that looks for it.
  const page = await bundlePage(join(folder, 'lib', 'ui'))
  writeStarter(join(folder, 'bin', 'entrepot'))
  const manifest = { name, version, description, license, type: 'module', engines }
  writeJson(join(folder, 'package.json'), manifest)
  const product = { name, version, description, license }
  writeJson(join(folder, 'sbom.cdx.json'), sbomOf({ product, files: [...code, ...page], root }))
  for (const part of ['README.md', 'LICENSE', 'CHANGELOG.md', 'deploy', 'docs', 'examples'])
    cpSync(join(root, part), join(folder, part), { recursive: true })
  return folder
}

function writeJson(path: string, value: object): void {
  writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`)
}

/** Builds the web page and returns the files that it is made of. */
async function bundlePage(outDir: string): Promise<string[]> {
  const built = await buildPage({ root: join(root, 'ui'), build: { outDir } })
  const outputs = 'on' in built ? [] : [built].flat()
  return outputs
    .flatMap(({ output }) => output)
    .flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []))
    .map((id) => id.replace(/^\0|\?.*$/g, ''))
}

/** Bundles `src/main.ts` with its packages, in chunks that are loaded when they are needed. Returns the files that it is made of,
 *  relative to the project. */
async function bundleCode(outdir: string, native: Plugin): Promise<string[]> {
  const options = {
    absWorkingDir: root,
    metafile: true,
    entryPoints: [
      { in: join(root, 'src', 'main.ts'), out: 'main' },
      // Threads, which are started by the names of their files.
      { in: join(root, 'src', 'index', 'sqlite', 'sqlite-thread.ts'), out: 'sqlite-thread' },
      { in: join(root, 'src', 'lib', 'ingest', 'ingest-thread.ts'), out: 'ingest-thread' },
      sharedEntryPoint(root),
    ],
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    minifySyntax: true,
    minifyWhitespace: true,
    // Error messages and logs name classes, so identifiers stay. `keepNames` would name every function as it is created.
    minifyIdentifiers: false,
    legalComments: 'linked',
    loader: { '.node': 'copy' },
    plugins: [native, neededOfUndici, chosenByCommand],
    logLevel: 'warning',
    // Packages in CommonJS call `require` for Node's own modules.
    banner: {
      js: "import { createRequire as entrepotRequire } from 'node:module'; const require = entrepotRequire(import.meta.url);",
    },
  } satisfies BuildOptions
  const built = await Promise.all([build(options), build(clientBuild(options))])
  // The entry says so where Node is too old, which may have no `getBuiltinModule`.
  for (const file of readdirSync(outdir))
    if (file.endsWith('.mjs') && file !== 'main.mjs') rewrite(join(outdir, file), withDirectBuiltins)
  const outputs = built.flatMap(({ metafile }) => Object.values(metafile?.outputs ?? {}))
  return outputs.flatMap(({ inputs }) => Object.keys(inputs))
}

function rewrite(path: string, change: (text: string) => string): void {
  writeFileSync(path, change(readFileSync(path, 'utf8')))
}

/** Of undici, the client takes its dispatchers alone. */
const neededOfUndici: Plugin = {
  name: 'needed-of-undici',
  setup({ onResolve, onLoad }) {
    const library = 'undici/lib'
    onResolve({ filter: /^undici$/ }, ({ importer }) =>
      importer.endsWith('/src/client/http/undici-connections.ts')
        ? { path: importer, namespace: 'undici' }
        : undefined,
    )
    onLoad({ filter: /./, namespace: 'undici' }, () => ({
      resolveDir: root,
      contents: `
        import Dispatcher from '${library}/dispatcher/dispatcher.js'
        import api from '${library}/api/index.js'
        Object.assign(Dispatcher.prototype, api)
        export { default as EnvHttpProxyAgent } from '${library}/dispatcher/env-http-proxy-agent.js'`,
    }))
  },
}

/** Finds the one native module for the processor that is meant; npm installs only that of this machine. */
function nativeBcrypt(processor: Processor): Plugin {
  const wanted = `@node-rs/bcrypt-linux-${processor}-gnu`
  return {
    name: 'native-bcrypt',
    setup({ onResolve }) {
      onResolve({ filter: /^@node-rs\/bcrypt-/ }, ({ path }) => {
        if (path === wanted) return { path: join(packageFolder(wanted), mainFile(wanted)) }
        if (path === `${wanted}/package.json`) return { path: join(packageFolder(wanted), 'package.json') }
        return { path, external: true }
      })
    },
  }
}

/** Where a package is; it is downloaded if it is not installed. */
function packageFolder(wanted: string): string {
  const { optionalDependencies } = createRequire(import.meta.url)('@node-rs/bcrypt/package.json')
  const folder = join(root, 'node_modules', wanted)
  return existsSync(folder) ? folder : download(`${wanted}@${optionalDependencies[wanted]}`)
}

function mainFile(wanted: string): string {
  return JSON.parse(readFileSync(join(packageFolder(wanted), 'package.json'), 'utf8')).main
}

/** Downloads a package as it is, without what it depends on, and returns its folder.
 *  @param wanted `name@version` */
export function download(wanted: string): string {
  const folder = join(root, 'build', 'packages', wanted.replaceAll('/', '+'))
  if (existsSync(join(folder, 'package.json'))) return folder
  mkdirSync(folder, { recursive: true })
  const options = { cwd: folder, encoding: 'utf8' } as const
  const archive = execFileSync('npm', ['pack', '--silent', wanted], options)
    .trim()
    .split('\n')
    .at(-1) as string
  execFileSync('tar', ['-xzf', archive, '--strip-components=1'], options)
  rmSync(join(folder, archive))
  return folder
}

function writeStarter(path: string): void {
  mkdirSync(join(path, '..'), { recursive: true })
  const script = '#!/bin/sh\nexec node "$(dirname -- "$(readlink -f -- "$0")")/../lib/app/main.mjs" "$@"\n'
  writeFileSync(path, script)
  chmodSync(path, 0o755)
}
