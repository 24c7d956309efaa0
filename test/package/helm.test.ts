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

const root = fileURLToPath(new URL('../..', import.meta.url))
const chart = join(root, 'deploy/helm/entrepot')

type Values = Readonly<Record<string, unknown>>

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

const s3 = { region: 'eu-central-1', bucket: 'images' }

/** What is different from the values by default, and the kinds that are made beside those of every release. */
const MATRIX: ReadonlyArray<readonly [string, Values, readonly string[]]> = [
  ['the defaults', {}, []],
  ['a volume', { persistence: { enabled: true, deleteEnabled: true } }, ['PersistentVolumeClaim']],
  ['a volume that is there', { persistence: { enabled: true, existingClaim: 'mine' } }, []],
  ['S3 with keys', { storage: 's3', s3, secrets: { s3: { accessKey: 'a', secretKey: 'b' } } }, []],
  [
    'S3 with a secret and two replicas',
    {
      storage: 's3',
      s3: { ...s3, regionEndpoint: 'https://s3.example' },
      secrets: { s3: { secretRef: 'keys' } },
      replicaCount: 2,
    },
    [],
  ],
  [
    'S3 by workload identity',
    {
      storage: 's3',
      s3,
      serviceAccount: { create: true, annotations: { 'eks.amazonaws.com/role-arn': 'arn' } },
    },
    ['ServiceAccount'],
  ],
  [
    'Azure',
    {
      storage: 'azure',
      azure: { container: 'c', accountname: 'a' },
      secrets: { azure: { accountKey: 'a2V5' } },
    },
    [],
  ],
  ['Google', { storage: 'gcs', gcs: { bucket: 'b' } }, []],
  ['Redis', { redis: { addr: 'redis:6379', existingSecret: 'redis' } }, []],
  ['a secret that is there', { secrets: { existingSecret: 'mine', htpasswd: 'x' } }, []],
  ['passwords', { secrets: { htpasswd: 'alice:$2y$05$abcdefghijklmnopqrstuu' } }, []],
  ['a mirror', { proxy: { enabled: true, username: 'a', password: 'b' } }, []],
  ['garbage collection', { garbageCollect: { enabled: true, deleteUntagged: true } }, []],
  [
    'TLS and an authority',
    { tlsSecretName: 'tls', caBundle: { existingConfigMap: 'ca' }, externalURL: 'https://registry.example' },
    [],
  ],
  [
    'an ingress',
    {
      ingress: {
        enabled: true,
        className: 'nginx',
        hosts: ['registry.example'],
        tls: [{ secretName: 't', hosts: ['registry.example'] }],
      },
    },
    ['Ingress'],
  ],
  [
    'a gateway',
    { httpRoute: { enabled: true, parentRefs: [{ name: 'gateway' }], hostnames: ['registry.example'] } },
    ['HTTPRoute'],
  ],
  [
    'metrics',
    {
      metrics: {
        ...{ enabled: true, serviceMonitor: { enabled: true }, prometheusRule: { enabled: true } },
        dashboard: { enabled: true },
      },
    },
    ['ServiceMonitor', 'PrometheusRule', 'ConfigMap'],
  ],
  [
    'everything about pods',
    {
      ...{
        podAnnotations: { a: 'b' },
        podLabels: { c: 'd' },
        priorityClassName: 'high',
        nodeSelector: { disk: 'ssd' },
      },
      ...{ tolerations: [{ key: 'k', operator: 'Exists' }], topologySpreadConstraints: [{ maxSkew: 1 }] },
      ...{
        resources: { limits: { memory: '1Gi' } },
        updateStrategy: { type: 'Recreate' },
        imagePullSecrets: [{ name: 'p' }],
      },
      ...{ extraEnvVars: [{ name: 'A', value: 'b' }], initContainers: [{ name: 'i', image: 'i' }] },
      ...{ extraVolumes: [{ name: 'v', emptyDir: {} }], extraVolumeMounts: [{ name: 'v', mountPath: '/v' }] },
      ...{
        podDisruptionBudget: { minAvailable: 1 },
        autoscaling: { enabled: true },
        networkPolicy: { enabled: true },
      },
      ...{ image: { registry: 'registry.example', digest: `sha256:${'0'.repeat(64)}` } },
    },
    ['PodDisruptionBudget', 'HorizontalPodAutoscaler', 'NetworkPolicy'],
  ],
  [
    'every value that the chart twuni/docker-registry has, but for Swift',
    {
      ...{ replicaCount: 1, updateStrategy: {}, podAnnotations: {}, podLabels: {} },
      ...{ serviceAccount: { create: false, name: '', annotations: {} } },
      ...{ image: { repository: 'registry', tag: '2.8.1', pullPolicy: 'IfNotPresent' } },
      ...{ deployment: { annotations: { kept: 'yes' } }, resources: {} },
      service: { name: 'registry', type: 'ClusterIP', port: 5000, annotations: {} },
      ingress: {
        ...{ enabled: true, className: 'nginx', path: '/', hosts: ['registry.example'] },
        ...{ annotations: {}, labels: {}, tls: [] },
      },
      persistence: { accessMode: 'ReadWriteOnce', enabled: true, size: '10Gi', deleteEnabled: true },
      ...{ storage: 'filesystem', secrets: { haSharedSecret: '', htpasswd: '' } },
      proxy: { enabled: false, remoteurl: 'https://r.example', username: '', password: '', secretRef: '' },
      metrics: {
        ...{ enabled: true, port: 5001, serviceMonitor: { enabled: true, labels: {} } },
        prometheusRule: { enabled: true, labels: {}, rules: {} },
      },
      configData: {
        ...{ version: 0.1, log: { fields: { service: 'registry' } } },
        storage: { cache: { blobdescriptor: 'inmemory' } },
        http: {
          ...{ addr: ':5000', headers: { 'X-Content-Type-Options': ['nosniff'] } },
          debug: { addr: ':5001', prometheus: { enabled: false, path: '/metrics' } },
        },
        health: { storagedriver: { enabled: true, interval: '10s', threshold: 3 } },
      },
      containerSecurityContext: {
        ...{ enabled: true, seLinuxOptions: {}, allowPrivilegeEscalation: false, privileged: false },
        ...{ capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true },
        ...{ runAsUser: 1000, runAsGroup: 1000, runAsNonRoot: true },
        seccompProfile: { type: 'RuntimeDefault' },
      },
      securityContext: {
        ...{ enabled: true, fsGroupChangePolicy: 'Always', fsGroup: 1000 },
        ...{ sysctls: [], supplementalGroups: [] },
      },
      ...{ priorityClassName: '', podDisruptionBudget: {} },
      autoscaling: {
        ...{ enabled: true, minReplicas: 1, maxReplicas: 2 },
        ...{ targetCPUUtilizationPercentage: 60, targetMemoryUtilizationPercentage: 60 },
        behavior: { scaleDown: { stabilizationWindowSeconds: 300 } },
      },
      ...{ nodeSelector: {}, affinity: {}, tolerations: [], extraVolumeMounts: [], extraVolumes: [] },
      ...{ extraEnvVars: [], initContainers: [] },
      garbageCollect: { enabled: true, deleteUntagged: true, schedule: '0 1 * * *', resources: {} },
    },
    ['Ingress', 'PersistentVolumeClaim', 'ServiceMonitor', 'PrometheusRule', 'HorizontalPodAutoscaler'],
  ],
]

/** Values of `tracing`, and the variables that they make. */
const TRACING: ReadonlyArray<readonly [string, Values, Readonly<Record<string, string>>]> = [
  ['by default none', {}, {}],
  ['none without an endpoint', { sampler: 'always_on', serviceName: 'a' }, {}],
  [
    'an endpoint',
    { endpoint: 'http://collector:4318' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', OTEL_SERVICE_NAME: 'release-entrepot' },
  ],
  [
    'everything',
    {
      ...{ endpoint: 'https://collector', serviceName: 'images', sampler: 'traceidratio', samplerArg: 0 },
      resourceAttributes: { 'deployment.environment.name': 'the test, all' },
    },
    {
      ...{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector', OTEL_SERVICE_NAME: 'images' },
      ...{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' },
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=the%20test%2C%20all',
    },
  ],
]

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

  test('annotations of the deployment, and how the autoscaler behaves, arrive', async () => {
    const behavior = { scaleDown: { stabilizationWindowSeconds: 300 } }
    const resources = await render({
      deployment: { annotations: { kept: 'yes' } },
      autoscaling: { enabled: true, behavior },
    })
    expect(only(resources, 'Deployment').metadata).toMatchObject({ annotations: { kept: 'yes' } })
    expect(only(resources, 'HorizontalPodAutoscaler').spec).toMatchObject({ behavior })
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
