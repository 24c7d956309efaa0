/** Values of the Helm chart that are rendered together. */

export type Values = Readonly<Record<string, unknown>>

const s3 = { region: 'eu-central-1', bucket: 'images' }

/** What is different from the values by default, and the kinds that are made beside those of every release. */
export const MATRIX: ReadonlyArray<readonly [string, Values, readonly string[]]> = [
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
  [
    'Google with the key of a service account',
    { storage: 'gcs', gcs: { bucket: 'b', rootdirectory: 'images' }, secrets: { gcs: { secretRef: 'key' } } },
    [],
  ],
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
export const TRACING: ReadonlyArray<readonly [string, Values, Readonly<Record<string, string>>]> = [
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
