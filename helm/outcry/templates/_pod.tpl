{{/* What all pods have in common. */}}

{{- define "outcry.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.security }}
{{- if not (kindIs "invalid" .runAsUser) }}
runAsUser: {{ int64 .runAsUser }}
{{- end }}
{{- if not (kindIs "invalid" .runAsGroup) }}
runAsGroup: {{ int64 .runAsGroup }}
{{- end }}
{{- if not (kindIs "invalid" .fsGroup) }}
fsGroup: {{ int64 .fsGroup }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "outcry.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/*
Where RabbitMQ and PostgreSQL are, as variables: URLs hold passwords. Call with (list $ "orders" <values>); the name is
empty for the one process of mode single.
*/}}
{{- define "outcry.servers" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $own := index . 2 -}}
{{- $broker := $root.Values.broker -}}
{{- if eq $broker.kind "existing" }}
{{- include "outcry.brokerAuthority" $root }}
{{- if and $name $broker.existing.usersOfTheirOwn }}
- name: BROKER_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $broker.existing.secret }}
      key: {{ $name }}
- name: OUTCRY_BROKER__URL
  value: {{ printf "%s://outcry-%s:$(BROKER_PASSWORD)@%s:%d/%s" $broker.existing.scheme $name $broker.existing.host (int $broker.existing.port) $broker.existing.vhost }}
{{- else }}
- name: OUTCRY_BROKER__URL
  valueFrom:
    secretKeyRef:
      name: {{ $broker.existing.secret }}
      key: {{ $broker.existing.urlKey }}
{{- end }}
{{- else if eq $broker.kind "operator" }}
{{- $secret := printf "%s-default-user" (include "outcry.rabbitmq" $root) }}
{{- if and $name $broker.operator.usersOfTheirOwn }}
{{- $secret = printf "%s-%s-user-credentials" (include "outcry.fullname" $root) $name }}
{{- end }}
- name: BROKER_USERNAME
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: username
- name: BROKER_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: password
- name: OUTCRY_BROKER__URL
  value: amqp://$(BROKER_USERNAME):$(BROKER_PASSWORD)@{{ include "outcry.rabbitmq" $root }}.{{ $root.Release.Namespace }}.svc.{{ $root.Values.clusterDomain }}:5672/%2f
{{- end }}
{{- include "outcry.databaseUrl" (list $root $own.database) }}
{{- end -}}

{{/*
Where PostgreSQL is, for whoever may have a database of its own. Call with (list $ <existingSecret and urlKey>).
*/}}
{{- define "outcry.databaseUrl" -}}
{{- $root := index . 0 -}}
{{- $own := index . 1 -}}
{{- $database := $root.Values.database -}}
{{- if $database.existing.ca.existingSecret }}
- name: OUTCRY_DATABASE__CA_FILE
  value: /etc/outcry/database-ca/{{ $database.existing.ca.key }}
{{- end }}
{{- if $own.existingSecret }}
- name: OUTCRY_DATABASE__URL
  valueFrom:
    secretKeyRef:
      name: {{ $own.existingSecret }}
      key: {{ $own.urlKey }}
{{- else if eq $database.kind "existing" }}
- name: OUTCRY_DATABASE__URL
  valueFrom:
    secretKeyRef:
      name: {{ $database.existing.secret }}
      key: {{ $database.existing.urlKey }}
{{- else if eq $database.kind "operator" }}
- name: OUTCRY_DATABASE__URL
  valueFrom:
    secretKeyRef:
      name: {{ include "outcry.postgresql" $root }}-app
      key: uri
{{- end }}
{{- end -}}

{{/* Who vouches for RabbitMQ. */}}
{{- define "outcry.brokerAuthority" -}}
{{- with .Values.broker.existing.ca }}
{{- if .existingSecret }}
- name: OUTCRY_BROKER__CA_FILE
  value: /etc/outcry/broker-ca/{{ .key }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where the files of authorities are. Call with (list $ "broker" "database"), or one of the two. */}}
{{- define "outcry.authorityMounts" -}}
{{- $values := (index . 0).Values -}}
{{- if $values.trustedAuthorities.existingConfigMap }}
- name: authorities
  mountPath: /etc/outcry/authorities
  readOnly: true
{{- end }}
{{- range rest . }}
{{- if (index $values .).existing.ca.existingSecret }}
- name: {{ . }}-ca
  mountPath: /etc/outcry/{{ . }}-ca
  readOnly: true
{{- end }}
{{- end }}
{{- end -}}

{{- define "outcry.authorityVolumes" -}}
{{- $values := (index . 0).Values -}}
{{- if $values.trustedAuthorities.existingConfigMap }}
- name: authorities
  configMap:
    name: {{ $values.trustedAuthorities.existingConfigMap }}
{{- end }}
{{- range $server := rest . }}
{{- with (index $values $server).existing.ca }}
{{- if .existingSecret }}
- name: {{ $server }}-ca
  secret:
    secretName: {{ .existingSecret }}
    items:
      - {key: {{ .key | quote }}, path: {{ .key | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Variables of a long-running process. Call with (list $ "orders" <values>). */}}
{{- define "outcry.env" -}}
{{- $values := (index . 0).Values -}}
{{- $own := index . 2 -}}
{{- if index . 1 }}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
# Where the others reach this one: it listens on every address, so it must be said.
- name: OUTCRY_MESH__ADDRESS
  value: {{ include "outcry.meshScheme" (index . 0) }}://{{ ternary "[$(POD_IP)]" "$(POD_IP)" (eq $values.ipFamily "IPv6") }}:{{ $values.mesh.port }}
{{- end }}
{{- with $values.trustedAuthorities }}
{{- if .existingConfigMap }}
- name: SSL_CERT_FILE
  value: /etc/outcry/authorities/{{ .key }}
{{- end }}
{{- end }}
{{- include "outcry.servers" . }}
{{- with $own.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The pod of a long-running process. Call with (list $ "orders" <values>); the name is empty for mode single. */}}
{{- define "outcry.pod" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $own := index . 2 -}}
{{- $values := $root.Values -}}
{{- $component := $name | default "platform" -}}
{{- $edge := or (not $name) (eq $name "gateway") -}}
{{- $distributed := ne $name "" -}}
metadata:
  labels:
    {{- include "outcry.labelsAnd" (list $root (mergeOverwrite (deepCopy $values.podLabels) $own.podLabels)) | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
  annotations:
    # Secrets are not among what restarts a pod: certificates are taken anew while it runs.
    checksum/config: {{ include "outcry.config" $root | sha256sum }}
    {{- with mergeOverwrite (deepCopy $values.podAnnotations) $own.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "outcry.fullname" $root }}{{ with $name }}-{{ . }}{{ end }}
  automountServiceAccountToken: false
  # Variables of Services begin with OUTCRY_ where a Service does, and the binary refuses settings it does not know.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add (int $values.drain.preStopSeconds) (ternary (div (add (int $values.drain.gatewayDelayMs) 999) 1000) 0 $edge) (int $values.drain.processSeconds) }}
  {{- with $values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $own.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $own.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $own.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $own.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $own.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml $own.topologySpreadConstraints | nindent 4 }}
  {{- else if gt (int (include "outcry.replicasMax" $own)) 1 }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "outcry.selector" $root | nindent 10 }}
          app.kubernetes.io/component: {{ $component }}
    {{- end }}
  {{- end }}
  securityContext:
    {{- include "outcry.podSecurity" $root | nindent 4 }}
  containers:
    - name: outcry
      image: {{ include "outcry.image" $root }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      command: [/usr/local/bin/outcry]
      {{- if $distributed }}
      args: [serve, {{ $name }}, --config, /etc/outcry/outcry.toml]
      {{- else }}
      args: [up, --config, /etc/outcry/outcry.toml]
      {{- end }}
      {{- with include "outcry.env" . | trim }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      ports:
        {{- if $edge }}
        - name: public
          containerPort: {{ $values.publicPort.port }}
        {{- end }}
        {{- if $distributed }}
        - name: mesh
          containerPort: {{ $values.mesh.port }}
        {{- end }}
        - name: admin
          containerPort: {{ $values.adminPort.port }}
      startupProbe:
        httpGet: {path: /livez, port: admin}
        {{- toYaml $values.probes.startup | nindent 8 }}
      readinessProbe:
        httpGet: {path: /readyz, port: admin}
        {{- toYaml $values.probes.readiness | nindent 8 }}
      # Says that the process runs, whatever else is away.
      livenessProbe:
        httpGet: {path: /livez, port: admin}
        {{- toYaml $values.probes.liveness | nindent 8 }}
      {{- if gt (int $values.drain.preStopSeconds) 0 }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ $values.drain.preStopSeconds }}
      {{- end }}
      {{- with $own.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "outcry.containerSecurity" $root | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/outcry/outcry.toml
          subPath: outcry.toml
          readOnly: true
        - name: data
          mountPath: /var/lib/outcry
        - name: tmp
          mountPath: /tmp
        {{- if and $values.administrator.existingSecret (or (not $name) (eq $name "users")) }}
        - name: administrator
          mountPath: /var/lib/outcry/administrator.toml
          subPath: administrator.toml
          readOnly: true
        {{- end }}
        {{- if and $values.payments.existingSecret (or (not $name) (eq $name "payments")) }}
        - name: payments
          mountPath: /etc/outcry/payments
          readOnly: true
        {{- end }}
        {{- if and $values.notifications.existingSecret (or (not $name) (eq $name "notifications")) }}
        - name: notifications
          mountPath: /etc/outcry/notifications
          readOnly: true
        {{- end }}
        {{- if $distributed }}
        - name: mesh
          mountPath: /etc/outcry/mesh
          readOnly: true
        {{- end }}
        {{- if and $edge (ne $values.publicPort.tls.source "none") }}
        - name: public
          mountPath: /etc/outcry/public
          readOnly: true
        {{- end }}
        {{- with include "outcry.authorityMounts" (list $root "broker" "database") | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $own.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "outcry.fullname" $root }}
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
    {{- if $distributed }}
    # Keys that a process makes for itself, and nothing that must last: what lasts is in PostgreSQL.
    - name: data
      emptyDir:
        sizeLimit: 64Mi
    - name: mesh
      secret:
        {{- if eq $values.mesh.identity "key" }}
        secretName: {{ $values.mesh.key.existingSecret }}
        {{- else }}
        secretName: {{ include "outcry.meshTlsSecret" (list $root $name) }}
        {{- end }}
        # The binary refuses keys that everybody may read.
        defaultMode: 0440
    {{- else if not $values.persistence.enabled }}
    - name: data
      emptyDir: {}
    {{- else if $values.persistence.existingClaim }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ $values.persistence.existingClaim }}
    {{- end }}
    {{- if and $values.administrator.existingSecret (or (not $name) (eq $name "users")) }}
    - name: administrator
      secret:
        secretName: {{ $values.administrator.existingSecret }}
        defaultMode: 0440
    {{- end }}
    {{- if and $values.payments.existingSecret (or (not $name) (eq $name "payments")) }}
    - name: payments
      secret:
        secretName: {{ $values.payments.existingSecret }}
        defaultMode: 0440
    {{- end }}
    {{- if and $values.notifications.existingSecret (or (not $name) (eq $name "notifications")) }}
    - name: notifications
      secret:
        secretName: {{ $values.notifications.existingSecret }}
        defaultMode: 0440
    {{- end }}
    {{- if and $edge (ne $values.publicPort.tls.source "none") }}
    - name: public
      secret:
        secretName: {{ include "outcry.publicTlsSecret" $root }}
        defaultMode: 0440
    {{- end }}
    {{- with include "outcry.authorityVolumes" (list $root "broker" "database") | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $own.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
