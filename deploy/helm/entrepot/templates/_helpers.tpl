{{- define "entrepot.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "entrepot.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "entrepot.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "entrepot.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "entrepot.selector" -}}
app.kubernetes.io/name: {{ include "entrepot.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "entrepot.labels" -}}
{{ include "entrepot.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "entrepot.image" -}}
{{- $image := .Values.image -}}
{{- $name := $image.repository -}}
{{- if $image.registry }}{{ $name = printf "%s/%s" $image.registry $name }}{{ end -}}
{{- if $image.digest }}{{ printf "%s@%s" $name $image.digest }}{{ else }}{{ printf "%s:%s" $name (default .Chart.AppVersion $image.tag) }}{{ end -}}
{{- end -}}

{{- define "entrepot.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "entrepot.fullname" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end -}}
{{- end -}}

{{- define "entrepot.secret" -}}
{{- default (printf "%s-secret" (include "entrepot.fullname" .)) .Values.secrets.existingSecret -}}
{{- end -}}

{{- define "entrepot.claim" -}}
{{- default (include "entrepot.fullname" .) .Values.persistence.existingClaim -}}
{{- end -}}

{{/* The secret of uploads: yours, or the one of the last install, or a new one. */}}
{{- define "entrepot.sharedSecret" -}}
{{- if .Values.secrets.haSharedSecret -}}
{{- .Values.secrets.haSharedSecret | b64enc -}}
{{- else -}}
{{- $known := lookup "v1" "Secret" .Release.Namespace (include "entrepot.secret" .) -}}
{{- if and $known $known.data (index $known.data "haSharedSecret") -}}
{{- index $known.data "haSharedSecret" -}}
{{- else -}}
{{- randAlphaNum 32 | b64enc -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* True if logins are checked against a file of passwords. */}}
{{- define "entrepot.hasHtpasswd" -}}
{{- if .Values.secrets.htpasswd }}true{{ end -}}
{{- end -}}

{{/* The secret with the key of a service account of Google; empty for workload identity. */}}
{{- define "entrepot.gcsKey" -}}
{{- if eq .Values.storage "gcs" }}{{ .Values.secrets.gcs.secretRef }}{{ end -}}
{{- end -}}

{{/* config.yml: what the values say, over configData. */}}
{{- define "entrepot.config" -}}
{{- $storage := dict -}}
{{- if eq .Values.storage "filesystem" -}}
{{- $_ := set $storage "filesystem" (dict "rootdirectory" "/var/lib/registry") -}}
{{- else if eq .Values.storage "s3" -}}
{{- $s3 := dict "region" (required "s3.region is missing" .Values.s3.region) "bucket" (required "s3.bucket is missing" .Values.s3.bucket) "encrypt" .Values.s3.encrypt "secure" .Values.s3.secure "forcepathstyle" .Values.s3.forcepathstyle -}}
{{- if .Values.s3.regionEndpoint }}{{ $_ := set $s3 "regionendpoint" .Values.s3.regionEndpoint }}{{ end -}}
{{- if .Values.s3.rootdirectory }}{{ $_ := set $s3 "rootdirectory" .Values.s3.rootdirectory }}{{ end -}}
{{- $_ := set $storage "s3" $s3 -}}
{{- else if eq .Values.storage "azure" -}}
{{- $azure := dict "container" (required "azure.container is missing" .Values.azure.container) "accountname" (required "azure.accountname is missing" .Values.azure.accountname) -}}
{{- if .Values.azure.rootdirectory }}{{ $_ := set $azure "rootdirectory" .Values.azure.rootdirectory }}{{ end -}}
{{- $_ := set $storage "azure" $azure -}}
{{- else if eq .Values.storage "gcs" -}}
{{- $gcs := dict "bucket" (required "gcs.bucket is missing" .Values.gcs.bucket) -}}
{{- if .Values.gcs.rootdirectory }}{{ $_ := set $gcs "rootdirectory" .Values.gcs.rootdirectory }}{{ end -}}
{{- if include "entrepot.gcsKey" . }}{{ $_ := set $gcs "keyfile" "/etc/entrepot-gcs/key.json" }}{{ end -}}
{{- $_ := set $storage "gcs" $gcs -}}
{{- else -}}
{{- fail (printf "storage is filesystem, s3, azure or gcs, not %s" .Values.storage) -}}
{{- end -}}
{{- if .Values.persistence.deleteEnabled }}{{ $_ := set $storage "delete" (dict "enabled" true) }}{{ end -}}
{{- if .Values.garbageCollect.enabled -}}
{{- $_ := set $storage "maintenance" (dict "gc" (dict "enabled" true "schedule" .Values.garbageCollect.schedule "untagged" .Values.garbageCollect.deleteUntagged)) -}}
{{- end -}}
{{- if .Values.redis.addr }}{{ $_ := set $storage "cache" (dict "blobdescriptor" "redis") }}{{ end -}}
{{- $config := dict "storage" $storage -}}
{{- $http := dict -}}
{{- if .Values.externalURL }}{{ $_ := set $http "host" .Values.externalURL }}{{ end -}}
{{- if .Values.tlsSecretName }}{{ $_ := set $http "tls" (dict "certificate" "/etc/ssl/entrepot/tls.crt" "key" "/etc/ssl/entrepot/tls.key") }}{{ end -}}
{{- if .Values.metrics.enabled }}{{ $_ := set $http "debug" (dict "addr" (printf ":%v" .Values.metrics.port) "prometheus" (dict "enabled" true "path" "/metrics")) }}{{ end -}}
{{- if $http }}{{ $_ := set $config "http" $http }}{{ end -}}
{{- if .Values.redis.addr }}{{ $_ := set $config "redis" (dict "addr" .Values.redis.addr) }}{{ end -}}
{{- if include "entrepot.hasHtpasswd" . }}{{ $_ := set $config "auth" (dict "htpasswd" (dict "realm" "Registry" "path" "/etc/entrepot-auth/htpasswd")) }}{{ end -}}
{{- if .Values.proxy.enabled }}{{ $_ := set $config "proxy" (dict "remoteurl" .Values.proxy.remoteurl) }}{{ end -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.configData) $config) -}}
{{- end -}}

{{/* The variables of OpenTelemetry. */}}
{{- define "entrepot.tracing" -}}
{{- with .Values.tracing }}
{{- if .endpoint }}
- { name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .endpoint | quote }} }
- { name: OTEL_SERVICE_NAME, value: {{ default (include "entrepot.fullname" $) .serviceName | quote }} }
{{- with .sampler }}
- { name: OTEL_TRACES_SAMPLER, value: {{ . | quote }} }
{{- end }}
{{- if ne (toString .samplerArg) "" }}
- { name: OTEL_TRACES_SAMPLER_ARG, value: {{ .samplerArg | toString | quote }} }
{{- end }}
{{- with .resourceAttributes }}
{{- $pairs := list }}
{{- range $name, $value := . }}{{ $pairs = append $pairs (printf "%s=%s" $name (toString $value | urlquery | replace "+" "%20")) }}{{ end }}
- { name: OTEL_RESOURCE_ATTRIBUTES, value: {{ join "," $pairs | quote }} }
{{- end }}
{{- if .headersSecret.name }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom: { secretKeyRef: { name: {{ .headersSecret.name }}, key: {{ .headersSecret.key }} } }
{{- end }}
{{- end }}
{{- end }}
{{- end }}
