/** The commands of the client, in one file. Splitting makes thirty of them, which take longer to find and link than to run; a client
 *  that lists tags is hardly more than its start. */
import { join } from 'node:path'
import type { BuildOptions, Plugin } from 'esbuild'
import { CLIENT_COMMANDS } from '../src/cli/table/commands.ts'

const FILE = './client.mjs'
const UNDICI = 'undici-connections'

/** Lets the entry choose the file by the command. */
export const chosenByCommand: Plugin = {
  name: 'chosen-by-command',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\/cli\/run\.ts$/ }, ({ importer, resolveDir }) =>
      importer.endsWith('/src/main.ts') ? { path: resolveDir, namespace: 'chosen' } : undefined,
    )
    onResolve({ filter: /./, namespace: 'chosen' }, ({ path, importer }) =>
      path === FILE ? { path, external: true } : { path: join(importer, path) },
    )
    onLoad({ filter: /./, namespace: 'chosen' }, ({ path: resolveDir }) => ({
      resolveDir,
      contents: `
        const isClients = ${JSON.stringify(CLIENT_COMMANDS)}.includes(process.argv[2])
        const chosen = await (isClients ? import('${FILE}') : import('./cli/run.ts'))
        export const { exitCodeOf, run, UsageError } = chosen`,
    }))
  },
}

/** The other commands are outside of the file, and never asked for in it. undici, which few need, is a file of the other build. */
const clientAlone: Plugin = {
  name: 'client-alone',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\.?\// }, ({ path, importer, kind }) => {
      if (kind !== 'dynamic-import') return undefined
      if (path.endsWith(`/${UNDICI}.ts`)) return { path: `./${UNDICI}.mjs`, external: true }
      const isChoice = /\/src\/cli\/(?:run|table\/commands)\.ts$/.test(importer)
      const isClients = path.startsWith('../client/') || path === './table/commands.ts'
      return isChoice && !isClients ? { path, external: true } : undefined
    })
  },
}

/** What the build with all commands has besides, for the client.
 *  @param root of the project */
export function sharedEntryPoint(root: string) {
  return { in: join(root, 'src', 'client', 'http', `${UNDICI}.ts`), out: UNDICI }
}

/** @param options as the build with all commands has them */
export function clientBuild(options: BuildOptions & { absWorkingDir: string }): BuildOptions {
  const run = join(options.absWorkingDir, 'src', 'cli', 'run.ts')
  return { ...options, entryPoints: [{ in: run, out: 'client' }], splitting: false, plugins: [clientAlone] }
}
