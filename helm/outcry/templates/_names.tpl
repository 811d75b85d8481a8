{{/* Names and labels. */}}

{{- define "outcry.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 36 characters: `-orders-user-status-changed` comes behind it, and 63 is the end. */}}
{{- define "outcry.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 36 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "outcry.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 36 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 36 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "outcry.selector" -}}
app.kubernetes.io/name: {{ include "outcry.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of every object. */}}
{{- define "outcry.labels" -}}
{{- include "outcry.labelsAnd" (list . dict) -}}
{{- end -}}

{{/*
The same, and some besides that go before commonLabels. Call with (list $ <labels>). The schema refuses names that are
the chart's own, so that none is there twice. `part-of` names the job in Prometheus, so it never changes.
*/}}
{{- define "outcry.labelsAnd" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{ include "outcry.selector" $root }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: outcry
{{- with mergeOverwrite (deepCopy $root.Values.commonLabels) (index . 1) }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "outcry.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The contract, as a list of services. */}}
{{- define "outcry.contract" -}}
{{- .Files.Get "files/contract.yaml" -}}
{{- end -}}

{{/* A service's values: what holds for all, and over it what is its own. Call with (list $ "orders"). */}}
{{- define "outcry.service" -}}
{{- $root := index . 0 -}}
{{- $own := index $root.Values.services (index . 1) | default dict -}}
{{- mergeOverwrite (deepCopy $root.Values.serviceDefaults) (deepCopy $own) | toJson -}}
{{- end -}}

{{/* Replicas a service may have at once. Call with its values. */}}
{{- define "outcry.replicasMax" -}}
{{- if .hpa.enabled -}}{{ .hpa.maxReplicas }}{{- else if .keda.enabled -}}{{ .keda.maxReplicas }}{{- else -}}{{ .replicas }}{{- end -}}
{{- end -}}

{{/* The name of a service inside the cluster that stands for all of its replicas. Call with (list $ "orders"). */}}
{{- define "outcry.meshHost" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%s-mesh.%s.svc.%s" (include "outcry.fullname" $root) (index . 1) $root.Release.Namespace $root.Values.clusterDomain -}}
{{- end -}}

{{- define "outcry.rabbitmq" -}}
{{- printf "%s-rabbitmq" (include "outcry.fullname" .) -}}
{{- end -}}

{{- define "outcry.postgresql" -}}
{{- printf "%s-postgresql" (include "outcry.fullname" .) -}}
{{- end -}}

{{- define "outcry.publicTlsSecret" -}}
{{- if eq .Values.publicPort.tls.source "certManager" -}}
{{- printf "%s-public-tls" (include "outcry.fullname" .) -}}
{{- else -}}
{{- .Values.publicPort.tls.existingSecret -}}
{{- end -}}
{{- end -}}

{{/* The Secret with a service's certificate. Call with (list $ "orders"). */}}
{{- define "outcry.meshTlsSecret" -}}
{{- $root := index . 0 -}}
{{- if eq $root.Values.mesh.identity "certManager" -}}
{{- printf "%s-%s-mesh-tls" (include "outcry.fullname" $root) (index . 1) -}}
{{- else -}}
{{- printf $root.Values.mesh.existingSecrets.nameFormat (index . 1) -}}
{{- end -}}
{{- end -}}

{{/* https or http: what the public port speaks. */}}
{{- define "outcry.publicScheme" -}}
{{- if eq .Values.publicPort.tls.source "none" -}}http{{- else -}}https{{- end -}}
{{- end -}}

{{/* http or https: what processes speak with each other. */}}
{{- define "outcry.meshScheme" -}}
{{- if eq .Values.mesh.identity "key" -}}http{{- else -}}https{{- end -}}
{{- end -}}

{{- define "outcry.anyAddress" -}}
{{- if eq .Values.ipFamily "IPv6" -}}[::]{{- else -}}0.0.0.0{{- end -}}
{{- end -}}

{{/* Whether a Job migrates, and services do not. The one process of mode single always does it itself. */}}
{{- define "outcry.migrations" -}}
{{- and (eq .Values.mode "distributed") .Values.migrations.enabled -}}
{{- end -}}

{{/* Whether that Job is a hook: unless said otherwise, where the database is there before the release. */}}
{{- define "outcry.migrationsHook" -}}
{{- if kindIs "invalid" .Values.migrations.useHelmHooks -}}
{{- eq .Values.database.kind "existing" -}}
{{- else -}}
{{- .Values.migrations.useHelmHooks -}}
{{- end -}}
{{- end -}}

{{/* Whether some service has a database of its own, which is there already. */}}
{{- define "outcry.databasesApart" -}}
{{- $apart := false -}}
{{- if eq .Values.mode "distributed" -}}
{{- range (include "outcry.contract" . | fromYaml).services -}}
{{- if (include "outcry.service" (list $ .name) | fromJson).database.existingSecret -}}
{{- $apart = true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $apart -}}
{{- end -}}
