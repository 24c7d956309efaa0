/** Robots that may push and nothing else: clients ask for what is there before they push, and get an answer. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { run } from '../../support/tools.ts'
import { containerStorage } from './container-storage.ts'
import { useGuardedRegistry } from './guarded-registry.ts'

const users = ['pusher', 'puller']
const rules = [
  { repositories: ['**'], who: ['pusher'], actions: ['push'] },
  { repositories: ['**'], who: ['puller'], actions: ['pull'] },
]

const refused = /unauthorized|authentication required|denied|insufficient|403|401/i

for (const kind of ['passwords', 'tokens'] as const) {
  describeWith(['podman', 'skopeo'], `podman and skopeo push only, with ${kind}`, () => {
    const registry = useGuardedRegistry(kind, { users, rules })

    test('podman pushes twice, and does not pull', async () => {
      const folder = await registry.newFolder('podman')
      const podman = await containerStorage('podman', { driver: 'vfs', folder })
      const options = ['--quiet', '--tls-verify=false', '--creds=pusher:pusher']
      await writeFile(join(folder, 'Containerfile'), 'FROM scratch\nCOPY Containerfile /\n')
      const reference = `${registry.address}/podman:v1`
      await podman.run('build', '--quiet', '--tag', reference, folder)
      await podman.run('push', ...options, reference)
      await podman.run('push', ...options, reference)
      await podman.run('rmi', '--all', '--force')
      await expect(podman.run('pull', ...options, reference)).rejects.toThrow(refused)
      await podman.run('pull', '--quiet', '--tls-verify=false', '--creds=puller:puller', reference)
    })

    test('skopeo pushes twice', async () => {
      const layout = await registry.layoutOf('skopeo')
      const options = ['--insecure-policy', '--dest-tls-verify=false', '--dest-creds=pusher:pusher']
      for (const tag of ['v1', 'v2']) {
        await run('skopeo', [
          'copy',
          ...options,
          `oci:${layout}:v1`,
          `docker://${registry.address}/app:${tag}`,
        ])
      }
    })
  })

  describeWith(['crane'], `crane pushes only, with ${kind}`, () => {
    const registry = useGuardedRegistry(kind, { users, rules })

    test('twice, and reads nothing', async () => {
      const environment = { DOCKER_CONFIG: await registry.newFolder('crane') }
      const crane = (...args: string[]) => run('crane', [...args, '--insecure'], { environment })
      await crane('auth', 'login', registry.address, '-u', 'pusher', '-p', 'pusher')
      const layout = await registry.layoutOf('crane')
      const reference = `${registry.address}/crane:v1`
      await crane('push', layout, reference)
      await crane('push', layout, reference)
      await expect(crane('manifest', reference)).rejects.toThrow(refused)
      await expect(crane('tag', reference, 'v2')).rejects.toThrow(refused)
    })
  })

  describeWith(['oras'], `oras pushes only, with ${kind}`, () => {
    const registry = useGuardedRegistry(kind, { users, rules })

    test('twice, and does not pull', async () => {
      const folder = await registry.newFolder('oras')
      const config = ['--plain-http', '--registry-config', join(folder, 'config.json')]
      const oras = (...args: string[]) => run('oras', [...args, ...config], { workingFolder: folder })
      await oras('login', registry.address, '-u', 'pusher', '-p', 'pusher')
      await writeFile(join(folder, 'note.txt'), 'a note')
      const reference = `${registry.address}/oras:v1`
      await oras('push', reference, 'note.txt:text/plain')
      await oras('push', reference, 'note.txt:text/plain')
      await expect(oras('pull', reference)).rejects.toThrow(refused)
      await oras('attach', reference, '--artifact-type', 'a/b', 'note.txt')
      await expect(oras('tag', reference, 'v2')).rejects.toThrow(refused)
    })
  })

  describeWith(['regctl'], `regctl pushes only, with ${kind}`, () => {
    const registry = useGuardedRegistry(kind, { users, rules })

    test('twice, and reads nothing', async () => {
      const environment = { HOME: await registry.newFolder('regctl') }
      const regctl = (...args: string[]) => run('regctl', args, { environment })
      await regctl('registry', 'set', registry.address, '--tls', 'disabled', '--skip-check')
      await regctl('registry', 'login', registry.address, '-u', 'pusher', '-p', 'pusher', '--skip-check')
      const layout = await registry.layoutOf('regctl')
      const reference = `${registry.address}/regctl:v1`
      await regctl('image', 'copy', `ocidir://${layout}:v1`, reference)
      await regctl('image', 'copy', `ocidir://${layout}:v1`, reference)
      await expect(regctl('manifest', 'get', reference)).rejects.toThrow(refused)
    })
  })
}
