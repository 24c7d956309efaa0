/** Values of the Helm chart, and where they are found in what it renders. */
import { expect } from 'vitest'
import type { Values } from './helm-matrix.ts'

const POD = {
  imagePullSecrets: [{ name: 'pull' }],
  priorityClassName: 'high',
  nodeSelector: { disk: 'ssd' },
  tolerations: [{ key: 'k', operator: 'Exists' }],
  affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
  topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' }],
  initContainers: [{ name: 'first', image: 'i' }],
  terminationGracePeriodSeconds: 90,
}

const CONTAINER = {
  resources: { limits: { memory: '1Gi' } },
  livenessProbe: { periodSeconds: 11 },
  readinessProbe: { periodSeconds: 12 },
  startupProbe: { failureThreshold: 13 },
}

/** Values, and where they are found again. */
export const ARRIVING: ReadonlyArray<readonly [string, Values, Readonly<Record<string, object>>]> = [
  [
    'names, labels and annotations',
    {
      ...{ fullnameOverride: 'own', replicaCount: 3, updateStrategy: { type: 'Recreate' } },
      ...{ podAnnotations: { a: 'b' }, podLabels: { c: 'd' }, deployment: { annotations: { kept: 'yes' } } },
    },
    {
      Deployment: {
        metadata: { name: 'own', annotations: { kept: 'yes' } },
        spec: {
          ...{ replicas: 3, strategy: { type: 'Recreate' } },
          template: { metadata: { annotations: { a: 'b' }, labels: { c: 'd' } } },
        },
      },
      Service: { metadata: { name: 'own' } },
    },
  ],
  [
    'what concerns pods and their container',
    {
      ...{ ...POD, ...CONTAINER },
      image: { registry: 'r.example', repository: 'a/b', tag: 'v9', pullPolicy: 'Always' },
      ...{ securityContext: { fsGroup: 7 }, containerSecurityContext: { privileged: false } },
      ...{ extraEnvVars: [{ name: 'A', value: 'b' }], extraVolumes: [{ name: 'v', emptyDir: {} }] },
      extraVolumeMounts: [{ name: 'v', mountPath: '/v' }],
    },
    {
      Deployment: {
        spec: {
          template: {
            spec: {
              ...POD,
              securityContext: { runAsNonRoot: true, runAsUser: 65532, fsGroup: 7 },
              containers: [
                {
                  ...CONTAINER,
                  ...{ image: 'r.example/a/b:v9', imagePullPolicy: 'Always' },
                  securityContext: { readOnlyRootFilesystem: true, privileged: false },
                  env: expect.arrayContaining([{ name: 'A', value: 'b' }]),
                  volumeMounts: expect.arrayContaining([{ name: 'v', mountPath: '/v' }]),
                },
              ],
              volumes: expect.arrayContaining([{ name: 'v', emptyDir: {} }]),
            },
          },
        },
      },
    },
  ],
  [
    'a digest, before a tag, and the key of a service account',
    {
      image: { repository: 'a', tag: 'v9', digest: `sha256:${'0'.repeat(64)}` },
      ...{ storage: 'gcs', gcs: { bucket: 'b' }, secrets: { gcs: { secretRef: 'key' } } },
    },
    {
      Deployment: {
        spec: {
          template: {
            spec: {
              containers: [{ image: `a@sha256:${'0'.repeat(64)}` }],
              volumes: expect.arrayContaining([
                {
                  name: 'gcs-key',
                  secret: { secretName: 'key', items: [{ key: 'gcsKeyfile', path: 'key.json' }] },
                },
              ]),
            },
          },
        },
      },
      ConfigMap: { data: { 'config.yml': expect.stringContaining('keyfile: /etc/entrepot-gcs/key.json') } },
    },
  ],
  [
    'the claim of a volume',
    {
      updateStrategy: { type: 'Recreate' },
      persistence: {
        ...{ enabled: true, size: '99Gi', storageClass: 'fast', accessMode: 'ReadWriteMany' },
        annotations: { a: 'b' },
      },
    },
    {
      PersistentVolumeClaim: {
        metadata: { annotations: { a: 'b', 'helm.sh/resource-policy': 'keep' } },
        spec: {
          ...{ accessModes: ['ReadWriteMany'], storageClassName: 'fast' },
          resources: { requests: { storage: '99Gi' } },
        },
      },
    },
  ],
  [
    'a service, an ingress and a route',
    {
      service: { type: 'NodePort', port: 80, nodePort: 30000, annotations: { a: 'b' }, labels: { c: 'd' } },
      ingress: { enabled: true, className: 'nginx', hosts: ['r.example'], tls: [{ secretName: 't' }] },
      httpRoute: { enabled: true, parentRefs: [{ name: 'gateway' }], hostnames: ['r.example'] },
    },
    {
      Service: {
        metadata: { annotations: { a: 'b' }, labels: { c: 'd' } },
        spec: { type: 'NodePort', ports: [{ port: 80, nodePort: 30000, targetPort: 'registry' }] },
      },
      Ingress: {
        spec: { ingressClassName: 'nginx', rules: [{ host: 'r.example' }], tls: [{ secretName: 't' }] },
      },
      HTTPRoute: {
        spec: {
          ...{ parentRefs: [{ name: 'gateway' }], hostnames: ['r.example'] },
          rules: [{ backendRefs: [{ name: 'release-entrepot', port: 80 }] }],
        },
      },
    },
  ],
  [
    'disruption, scale, neighbours and accounts',
    {
      podDisruptionBudget: { minAvailable: 1 },
      autoscaling: {
        ...{ enabled: true, maxReplicas: 9 },
        behavior: { scaleDown: { stabilizationWindowSeconds: 300 } },
      },
      networkPolicy: { enabled: true, from: [{ podSelector: {} }] },
      serviceAccount: { create: true, name: 'own', annotations: { a: 'b' } },
    },
    {
      PodDisruptionBudget: { spec: { minAvailable: 1 } },
      HorizontalPodAutoscaler: {
        spec: { maxReplicas: 9, behavior: { scaleDown: { stabilizationWindowSeconds: 300 } } },
      },
      NetworkPolicy: { spec: { ingress: [{ from: [{ podSelector: {} }] }] } },
      ServiceAccount: { metadata: { name: 'own', annotations: { a: 'b' } } },
      Deployment: { spec: { template: { spec: { serviceAccountName: 'own' } } } },
    },
  ],
]
