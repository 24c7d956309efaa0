/** `npm run bundle`: everything Entrepot needs besides Node, in one folder and one archive, with nothing to install.
 *
 *  The code of storages and helpers that a configuration does not name stays in files that are not read. Two runs over
 *  the same source make the same bytes. */
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, type Plugin } from 'esbuild'

const root = join(import.meta.dirname, '..')
const { name, version, description, license, engines } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
)
const title = `${name}-${version}-${process.platform}-${process.arch}`
const folder = join(root, 'build', title)

/** Native code for other platforms is not installed, and asked for by its package only there. */
const otherPlatforms: Plugin = {
  name: 'other-platforms',
  setup({ onResolve }) {
    onResolve({ filter: /^@node-rs\/bcrypt-/ }, ({ path, resolveDir }) => {
      try {
        import.meta.resolve(path, `file://${resolveDir}/`)
        return undefined
      } catch {
        return { path, external: true }
      }
    })
  },
}

rmSync(folder, { recursive: true, force: true })
await bundleCode(join(folder, 'lib', 'app'))
writeStarter(join(folder, 'bin', 'entrepot'))
const manifest = { name, version, description, license, type: 'module', engines }
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
for (const part of ['README.md', 'LICENSE', 'CHANGELOG.md', 'deploy', 'docs', 'examples'])
  cpSync(join(root, part), join(folder, part), { recursive: true })
console.log(pack(folder))

/** Bundles `src/main.ts` with its packages, in chunks that are loaded when they are needed. */
async function bundleCode(outdir: string): Promise<void> {
  await build({
    entryPoints: [join(root, 'src', 'main.ts')],
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    minify: true,
    // Error messages and logs name classes.
    keepNames: true,
    sourcemap: false,
    legalComments: 'linked',
    loader: { '.node': 'copy' },
    plugins: [otherPlatforms],
    logLevel: 'warning',
    // Packages in CommonJS call `require` for Node's own modules.
    banner: {
      js: "import { createRequire as entrepotRequire } from 'node:module'; const require = entrepotRequire(import.meta.url);",
    },
  })
}

function writeStarter(path: string): void {
  mkdirSync(join(path, '..'), { recursive: true })
  const script = '#!/bin/sh\nexec node "$(dirname -- "$(readlink -f -- "$0")")/../lib/app/main.mjs" "$@"\n'
  writeFileSync(path, script)
  chmodSync(path, 0o755)
}

/** The same folder always gives the same archive. */
function pack(folder: string): string {
  const archive = `${folder}.tar.gz`
  const same = [
    '--sort=name',
    '--mtime=@0',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mode=u=rwX,go=rX',
  ]
  const tar = execFileSync('tar', [...same, '-C', join(folder, '..'), '-c', title], { maxBuffer: 2 ** 30 })
  writeFileSync(archive, execFileSync('gzip', ['-9n'], { input: tar, maxBuffer: 2 ** 30 }))
  return archive
}
