{{/* The binary's configuration file. */}}

{{/*
A value as TOML writes it, on one line. Numbers come from YAML and JSON as floats; whole ones are written whole, since
the binary takes no `8.0` for a count.
*/}}
{{- define "outcry.tomlValue" -}}
{{- if kindIs "string" . -}}
{{- toJson . | replace "\\u003c" "<" | replace "\\u003e" ">" | replace "\\u0026" "&" -}}
{{- else if kindIs "slice" . -}}
[{{- range $index, $one := . -}}{{- if $index }}, {{ end -}}{{- include "outcry.tomlValue" $one -}}{{- end -}}]
{{- else if kindIs "map" . -}}
{ {{- $first := true -}}
{{- range $key, $one := . -}}
{{- if not (kindIs "invalid" $one) -}}
{{- if not $first }},{{ end }} {{ include "outcry.tomlKey" $key }} = {{ include "outcry.tomlValue" $one -}}
{{- $first = false -}}
{{- end -}}
{{- end }} }
{{- else if kindIs "bool" . -}}
{{- . -}}
{{- else if eq (float64 (int64 .)) (float64 .) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{- define "outcry.tomlKey" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{/* A table: first its values, then its tables. Call with (list "path.of.table" $table). */}}
{{- define "outcry.tomlTable" -}}
{{- $path := index . 0 -}}
{{- range $key, $one := index . 1 -}}
{{- if not (or (kindIs "map" $one) (kindIs "invalid" $one)) -}}
{{ include "outcry.tomlKey" $key }} = {{ include "outcry.tomlValue" $one }}
{{ end -}}
{{- end -}}
{{- range $key, $one := index . 1 -}}
{{- if kindIs "map" $one -}}
{{- $inner := include "outcry.tomlKey" $key -}}
{{- if $path -}}{{- $inner = printf "%s.%s" $path $inner -}}{{- end }}
[{{ $inner }}]
{{ include "outcry.tomlTable" (list $inner $one) -}}
{{ end -}}
{{- end -}}
{{- end -}}

{{/* What the values say, and over it what only the chart knows. */}}
{{- define "outcry.config" -}}
{{- $any := include "outcry.anyAddress" . -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config "environment" .Values.environment -}}
{{- $_ := set $config "data" "/var/lib/outcry" -}}
{{- $_ := set $config "listen" (printf "%s:%d" $any (int .Values.publicPort.port)) -}}
{{- $_ := set $config "admin" (dict "listen" (printf "%s:%d" $any (int .Values.adminPort.port))) -}}
{{- $gateway := $config.gateway | default dict -}}
{{- $_ := set $gateway "encrypted_elsewhere" .Values.publicPort.tls.encryptedElsewhere -}}
{{- $_ := set $gateway "drain_delay_ms" .Values.drain.gatewayDelayMs -}}
{{- if ne .Values.publicPort.tls.source "none" -}}
{{- $_ := set $gateway "tls" (dict "certificate" "/etc/outcry/public/tls.crt" "key" "/etc/outcry/public/tls.key") -}}
{{- end -}}
{{- $_ := set $config "gateway" $gateway -}}
{{- if .Values.payments.existingSecret -}}
{{- $payments := $config.payments | default dict -}}
{{- $_ := set $payments "webhook_secret_file" "/etc/outcry/payments/webhook" -}}
{{- $_ := set $config "payments" $payments -}}
{{- end -}}
{{- if .Values.notifications.existingSecret -}}
{{- $email := dig "notifications" "email" dict $config -}}
{{- $_ := set $email "password_file" "/etc/outcry/notifications/password" -}}
{{- $notifications := $config.notifications | default dict -}}
{{- $_ := set $notifications "email" $email -}}
{{- $_ := set $config "notifications" $notifications -}}
{{- end -}}
{{- if eq (include "outcry.migrations" .) "true" -}}
{{- $database := $config.database | default dict -}}
{{- $_ := set $database "migrate" "never" -}}
{{- $_ := set $config "database" $database -}}
{{- end -}}
{{- if eq .Values.mode "distributed" -}}
{{- $mesh := $config.mesh | default dict -}}
{{- $_ := set $mesh "listen" (printf "%s:%d" $any (int .Values.mesh.port)) -}}
{{- $_ := set $mesh "encrypted_elsewhere" .Values.mesh.encryptedElsewhere -}}
{{- $peers := dict -}}
{{- $accounts := dict -}}
{{- range (include "outcry.contract" . | fromYaml).services -}}
{{- $_ := set $peers .name (list (printf "dns:///%s:%d" (include "outcry.meshHost" (list $ .name)) (int $.Values.mesh.port))) -}}
{{- $_ := set $accounts (printf "%s-%s" (include "outcry.fullname" $) .name) (list .name) -}}
{{- end -}}
{{- $_ := set $mesh "peers" $peers -}}
{{- if eq .Values.mesh.identity "key" -}}
{{- $_ := set $mesh "key" "/etc/outcry/mesh/mesh" -}}
{{- else -}}
{{- $_ := set $mesh "tls" (dict "certificate" "/etc/outcry/mesh/tls.crt" "key" "/etc/outcry/mesh/tls.key" "authorities" "/etc/outcry/mesh/ca.crt" "trust_domain" .Values.mesh.trustDomain "accounts" $accounts) -}}
{{- end -}}
{{- $_ := set $config "mesh" $mesh -}}
{{- end -}}
{{- include "outcry.tomlTable" (list "" $config) -}}
{{- end -}}
