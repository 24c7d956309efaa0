import { type RegistryOptions, writeConfig } from './registry-process.ts'
import { ServerProcess } from './server-process.ts'
import { requireTool } from './tools.ts'

/** Starts CNCF Distribution (Debian's `docker-registry`) on a free port of 127.0.0.1.
 *  @param program another release of it */
export async function startDistribution(
  options: RegistryOptions,
  program = 'docker-registry',
): Promise<ServerProcess> {
  const config = await writeConfig('distribution', options)
  return ServerProcess.start({
    file: requireTool(program),
    arguments: ['serve', config],
    // Its S3 driver refuses to start where it finds a bundle of certificates in the AWS SDK's variable.
    environment: { OTEL_TRACES_EXPORTER: 'none', AWS_CA_BUNDLE: '', ...options.environment },
    workingFolder: options.configFolder,
    readyUrl: (line) => {
      const address = /"msg":"listening on ([^"]+)"/.exec(line)?.[1]
      return address && `http://${address}`
    },
  })
}
