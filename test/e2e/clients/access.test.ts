/** Real clients log in, push, pull and are refused: with passwords, and with the registry's own tokens. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { basic } from '../../support/access.ts'
import { runEntrepot } from '../../support/command.ts'
import { describeWith } from '../../support/describe-with.ts'
import { run } from '../../support/tools.ts'
import { containerStorage } from './container-storage.ts'
import { useGuardedRegistry } from './guarded-registry.ts'

const rules = [
  { repositories: ['public/**'], who: ['anonymous'], actions: ['pull'] },
  { repositories: ['public/**', 'team/**'], who: ['alice'], actions: ['pull', 'push', 'delete'] },
  { repositories: ['team/**'], who: ['bob'], actions: ['pull'] },
]

const refused = /unauthorized|authentication required|denied|insufficient|credential not found|403|401/i

for (const kind of ['passwords', 'tokens'] as const) {
  describeWith(['skopeo'], `skopeo with ${kind}`, () => {
    const registry = useGuardedRegistry(kind, { users: ['alice', 'bob'], rules })
    const copy = (from: string, to: string, ...options: string[]) =>
      run('skopeo', [
        'copy',
        '--insecure-policy',
        '--src-tls-verify=false',
        '--dest-tls-verify=false',
        ...options,
        from,
        to,
      ])
    const at = (name: string) => `docker://${registry.address}/${name}`

    test('pushes and pulls as who may, and is refused as who may not', async () => {
      const layout = await registry.layoutOf('skopeo')
      await copy(`oci:${layout}:v1`, at('team/app:v1'), '--dest-creds=alice:alice')
      const pulled = await registry.newFolder('skopeo-pulled')
      await copy(at('team/app:v1'), `oci:${pulled}:v1`, '--src-creds=bob:bob')
      await expect(copy(`oci:${layout}:v1`, at('team/app:v2'), '--dest-creds=bob:bob')).rejects.toThrow(
        refused,
      )
      await expect(copy(at('team/app:v1'), `oci:${pulled}:v2`, '--src-creds=bob:wrong')).rejects.toThrow(
        refused,
      )
      await expect(copy(at('team/app:v1'), `oci:${pulled}:v2`, '--src-no-creds')).rejects.toThrow(refused)
    })

    test('pulls what is public without a login', async () => {
      const layout = await registry.layoutOf('skopeo-public')
      await copy(`oci:${layout}:v1`, at('public/app:v1'), '--dest-creds=alice:alice')
      const pulled = await registry.newFolder('skopeo-anonymous')
      await copy(at('public/app:v1'), `oci:${pulled}:v1`, '--src-no-creds')
      await expect(copy(`oci:${layout}:v1`, at('public/app:v2'), '--dest-no-creds')).rejects.toThrow(refused)
    })

    test('mounts between repositories as who may pull there', async () => {
      const layout = await registry.layoutOf('skopeo-mounted')
      await copy(`oci:${layout}:v1`, at('team/from:v1'), '--dest-creds=alice:alice')
      await copy(at('team/from:v1'), at('team/to:v1'), '--src-creds=alice:alice', '--dest-creds=alice:alice')
    })

    test('deletes as who may', async () => {
      const layout = await registry.layoutOf('skopeo-deleted')
      await copy(`oci:${layout}:v1`, at('team/deleted:v1'), '--dest-creds=alice:alice')
      const remove = (creds: string) =>
        run('skopeo', ['delete', '--tls-verify=false', `--creds=${creds}`, at('team/deleted:v1')])
      await expect(remove('bob:bob')).rejects.toThrow(refused)
      await remove('alice:alice')
    })
  })

  describeWith(['podman'], `podman with ${kind}`, () => {
    const registry = useGuardedRegistry(kind, { users: ['alice', 'bob'], rules })

    test('logs in, pushes, pulls, and is refused', async () => {
      const folder = await registry.newFolder('podman')
      const podman = await containerStorage('podman', { driver: 'vfs', folder })
      const insecure = '--tls-verify=false'
      const login = async (user: string, password: string) => {
        const authfile = join(folder, `${user}.json`)
        await podman.run(
          'login',
          insecure,
          `--authfile=${authfile}`,
          `--username=${user}`,
          `--password=${password}`,
          registry.address,
        )
        return `--authfile=${authfile}`
      }
      await expect(login('alice', 'wrong')).rejects.toThrow(/invalid username|unauthorized/i)
      const [alice, bob] = [await login('alice', 'alice'), await login('bob', 'bob')]
      await writeFile(join(folder, 'Containerfile'), 'FROM scratch\nCOPY Containerfile /\n')
      const reference = `${registry.address}/team/podman:v1`
      await podman.run('build', '--quiet', '--tag', reference, folder)
      await podman.run('push', '--quiet', insecure, alice, reference)
      await expect(podman.run('push', '--quiet', insecure, bob, reference)).rejects.toThrow(refused)
      await podman.run('rmi', '--all', '--force')
      await podman.run('pull', '--quiet', insecure, bob, reference)
      await podman.run('push', '--quiet', insecure, alice, reference, `${registry.address}/public/podman:v1`)
      await podman.run('rmi', '--all', '--force')
      await podman.run('pull', '--quiet', insecure, `${registry.address}/public/podman:v1`)
      await expect(podman.run('pull', '--quiet', insecure, reference)).rejects.toThrow(refused)
    })
  })

  describeWith(['crane'], `crane with ${kind}`, () => {
    const registry = useGuardedRegistry(kind, { users: ['alice', 'bob'], rules })

    async function loggedIn(user: string | undefined) {
      const environment = { DOCKER_CONFIG: await registry.newFolder(`crane-${user ?? 'nobody'}`) }
      const crane = (...args: string[]) => run('crane', [...args, '--insecure'], { environment })
      if (user !== undefined) await crane('auth', 'login', registry.address, '-u', user, '-p', user)
      return crane
    }

    test('logs in, pushes, pulls, lists, and is refused', async () => {
      const [alice, bob, nobody] = [await loggedIn('alice'), await loggedIn('bob'), await loggedIn(undefined)]
      const layout = await registry.layoutOf('crane')
      const reference = `${registry.address}/team/crane:v1`
      await alice('push', layout, reference)
      await alice('push', layout, `${registry.address}/public/crane:v1`)
      await bob('validate', '--remote', reference)
      await nobody('validate', '--remote', `${registry.address}/public/crane:v1`)
      await expect(bob('push', layout, `${registry.address}/team/crane:v2`)).rejects.toThrow(refused)
      await expect(bob('tag', reference, 'v2')).rejects.toThrow(refused)
      await expect(nobody('digest', reference)).rejects.toThrow(refused)
      expect(await bob('ls', `${registry.address}/team/crane`)).toBe('v1\n')
      expect((await bob('catalog', registry.address)).split('\n')).toContain('team/crane')
      expect(await nobody('catalog', registry.address)).toBe('public/crane\n')
    })

    test('logs in as a robot', async () => {
      const scope = ['--repository', 'team/robot', '--action', 'push,pull']
      const made = await runEntrepot(['robot', 'create', 'pusher', ...scope, registry.configPath])
      const secret = /secret {2}(\S+)/.exec(made.stdout)?.[1] ?? ''
      const environment = { DOCKER_CONFIG: await registry.newFolder('crane-robot') }
      const crane = (...args: string[]) => run('crane', [...args, '--insecure'], { environment })
      await crane('auth', 'login', registry.address, '-u', 'robot+pusher', '-p', secret)
      const layout = await registry.layoutOf('robot')
      await crane('push', layout, `${registry.address}/team/robot:v1`)
      await expect(crane('push', layout, `${registry.address}/team/other:v1`)).rejects.toThrow(refused)
      await runEntrepot(['robot', 'revoke', 'pusher', registry.configPath])
      await expect
        .poll(() => crane('digest', `${registry.address}/team/robot:v1`).catch((error) => String(error)), {
          timeout: 20_000,
        })
        .toMatch(refused)
    })
  })

  if (kind === 'tokens') {
    describeWith(['crane'], 'crane with what docker login keeps of a registry that gives out tokens', () => {
      const registry = useGuardedRegistry(kind, { users: ['alice', 'bob'], rules })

      test('pushes with a refresh token and no password', async () => {
        const login = await fetch(
          `http://${registry.address}/auth/token?offline_token=true&service=entrepot`,
          {
            headers: basic('alice'),
          },
        )
        const { refresh_token } = (await login.json()) as { refresh_token: string }
        const folder = await registry.newFolder('crane-docker')
        const entry = {
          auth: basic('<token>', '').authorization.slice('Basic '.length),
          identitytoken: refresh_token,
        }
        await writeFile(join(folder, 'config.json'), JSON.stringify({ auths: { [registry.address]: entry } }))
        const environment = { DOCKER_CONFIG: folder }
        const layout = await registry.layoutOf('docker')
        await run('crane', ['push', layout, `${registry.address}/team/docker:v1`, '--insecure'], {
          environment,
        })
        const elsewhere = run('crane', ['push', layout, `${registry.address}/other:v1`, '--insecure'], {
          environment,
        })
        await expect(elsewhere).rejects.toThrow(refused)
      })
    })
  }

  describeWith(['oras'], `oras with ${kind}`, () => {
    const registry = useGuardedRegistry(kind, { users: ['alice', 'bob'], rules })

    async function loggedIn(user: string | undefined) {
      const config = ['--registry-config', join(await registry.newFolder('oras'), `${user ?? 'nobody'}.json`)]
      const oras = (workingFolder: string, ...args: string[]) =>
        run('oras', [...args, '--plain-http', ...config], { workingFolder })
      if (user !== undefined) await oras('.', 'login', registry.address, '-u', user, '-p', user)
      return oras
    }

    test('logs in, pushes an artifact, pulls it, and is refused', async () => {
      const [alice, bob, nobody] = [await loggedIn('alice'), await loggedIn('bob'), await loggedIn(undefined)]
      const folder = await registry.newFolder('oras-files')
      await writeFile(join(folder, 'note.txt'), 'a note')
      const reference = `${registry.address}/team/oras:v1`
      await alice(folder, 'push', reference, 'note.txt:text/plain')
      await bob(await registry.newFolder('oras-pulled'), 'pull', reference)
      await expect(bob(folder, 'push', reference, 'note.txt:text/plain')).rejects.toThrow(refused)
      await expect(nobody(folder, 'pull', reference)).rejects.toThrow(refused)
      await expect(
        run('oras', ['login', '--plain-http', registry.address, '-u', 'alice', '-p', 'wrong']),
      ).rejects.toThrow(refused)
      expect(await bob(folder, 'repo', 'tags', `${registry.address}/team/oras`)).toBe('v1\n')
    })
  })
}
