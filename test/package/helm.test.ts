/** The Helm chart, over a matrix of values. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { loadConfig } from '../../src/config/load.ts'
import { requestedTracing } from '../../src/config/tracing.ts'
import { describeWith } from '../support/describe-with.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { run } from '../support/tools.ts'
import { ARRIVING } from './helm-arriving.ts'
import { MATRIX, TRACING, type Values } from './helm-matrix.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const chart = join(root, 'deploy/helm/entrepot')

type Labels = Readonly<Record<string, string>>

interface Named {
  readonly name: string
}

interface Variable extends Named {
  readonly value?: string
  readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } }
}

interface Pod {
  readonly enableServiceLinks: boolean
  readonly containers: readonly [
    { readonly env: readonly Variable[]; readonly volumeMounts: readonly Named[] },
  ]
  readonly volumes: readonly Named[]
}

/** Of a deployment or, the selector, of a service. */
interface Spec {
  readonly selector: Labels & { readonly matchLabels: Labels }
  readonly template: { readonly metadata: { readonly labels: Labels }; readonly spec: Pod }
}

interface Resource {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels: Labels }
  readonly spec?: Spec
  readonly data?: Readonly<Record<string, string>>
}

async function render(values: Values): Promise<Resource[]> {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'values.json')
  await writeFile(path, JSON.stringify(values))
  const options = ['--kube-version', '1.31.0', '--namespace', 'images', '--values', path]
  const text = await run('helm', ['template', 'release', chart, ...options])
  return parseAllDocuments(text).flatMap((document) => {
    expect(document.errors).toEqual([])
    const resource: unknown = document.toJS()
    return resource === null ? [] : [resource as Resource]
  })
}

function only(resources: readonly Resource[], kind: string): Resource {
  const found = resources.filter((resource) => resource.kind === kind)
  expect(found.map(({ kind: one }) => one)).toEqual([kind])
  return found[0]!
}

describeWith(['helm'], 'the Helm chart', () => {
  test.each(TRACING)('traces: %s', async (_title, tracing, expected) => {
    const { spec } = only(await render({ tracing }), 'Deployment')
    const variables = spec!.template.spec.containers[0].env.filter(({ name }) => name.startsWith('OTEL_'))
    const env = Object.fromEntries(variables.map(({ name, value }) => [name, value]))
    expect(env).toEqual(expected)
    const { settings, warnings } = requestedTracing(env)
    expect([settings !== undefined, warnings]).toEqual([Object.keys(expected).length > 0, []])
  })

  test('the headers for a collector come from a secret', async () => {
    const tracing = { endpoint: 'https://collector', headersSecret: { name: 'collector' } }
    const { spec } = only(await render({ tracing }), 'Deployment')
    expect(spec!.template.spec.containers[0].env).toContainEqual({
      name: 'OTEL_EXPORTER_OTLP_HEADERS',
      valueFrom: { secretKeyRef: { name: 'collector', key: 'headers' } },
    })
  })

  test('helm lint finds nothing', async () => {
    expect(await run('helm', ['lint', '--strict', chart])).toContain('0 chart(s) failed')
  })

  test.each(MATRIX)('%s', async (_title, values, kinds) => {
    const resources = await render(values)
    const hasOwnSecret = (values.secrets as Values | undefined)?.existingSecret === undefined
    const expected = ['ConfigMap', 'Service', 'Deployment', ...(hasOwnSecret ? ['Secret'] : []), ...kinds]
    expect(resources.map(({ kind }) => kind).sort()).toEqual(expected.sort())
    const { spec, metadata } = only(resources, 'Deployment')
    const { selector, template: pod } = spec!
    expect(pod.metadata.labels).toMatchObject(selector.matchLabels)
    expect(only(resources, 'Service').spec?.selector).toEqual(selector.matchLabels)
    expect(metadata.name).toBe('release-entrepot')
    // A service called registry would set REGISTRY_PORT.
    expect(pod.spec.enableServiceLinks).toBe(false)
    expectNamesToExist(pod.spec, resources)
    await expectGoodConfig(resources, pod.spec.containers[0].env)
  })

  test.each(ARRIVING)('%s arrive', async (_title, values, arrived) => {
    const resources = await render(values)
    for (const [kind, resource] of Object.entries(arrived))
      expect(only(resources, kind)).toMatchObject(resource)
  })

  test('pods may run as root where that is said', async () => {
    const securityContext = { runAsNonRoot: false, runAsUser: 0, seccompProfile: { type: 'Unconfined' } }
    const { spec } = only(await render({ securityContext }), 'Deployment')
    expect(spec!.template.spec).toMatchObject({ securityContext })
  })

  test('what storage lacks is said', async () => {
    await expect(render({ storage: 's3' })).rejects.toThrow('s3.region is missing')
    await expect(render({ storage: 'floppy' })).rejects.toThrow(
      'storage is filesystem, s3, azure or gcs, not floppy',
    )
  })

  test('the alerts and the dashboard are those of deploy/', async () => {
    const text = (path: string) => readFile(join(root, 'deploy', path), 'utf8')
    expect(await text('helm/entrepot/files/alerts.yml')).toBe(await text('prometheus/alerts.yml'))
    expect(await text('helm/entrepot/files/dashboard.json')).toBe(await text('grafana/entrepot.json'))
  })
})

/** Every mount has a volume, and every key of the chart's own secret is in it. */
function expectNamesToExist(pod: Pod, resources: readonly Resource[]): void {
  const [container] = pod.containers
  const volumes = pod.volumes.map(({ name }) => name)
  for (const { name } of container.volumeMounts) expect(volumes).toContain(name)
  const secret = resources.find(({ kind }) => kind === 'Secret')
  if (secret === undefined) return
  for (const { valueFrom } of container.env) {
    const { name, key } = valueFrom?.secretKeyRef ?? {}
    if (name === secret.metadata.name) expect(Object.keys(secret.data ?? {})).toContain(key)
  }
}

/** The configuration has no problem, together with the variables. */
async function expectGoodConfig(
  resources: readonly Resource[],
  variables: readonly Variable[],
): Promise<void> {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'config.yml')
  const config = resources.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.endsWith('-config'),
  )
  await writeFile(path, config?.data?.['config.yml'] ?? '')
  const names = variables.map(({ name }) => name).filter((name) => name.startsWith('REGISTRY_'))
  const { warnings } = loadConfig({ path, env: Object.fromEntries(names.map((name) => [name, 'c2VjcmV0'])) })
  expect(warnings).toEqual([])
}
