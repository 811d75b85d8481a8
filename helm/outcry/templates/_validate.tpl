{{/* What a schema cannot say: values that do not go together. Each message says what to do. */}}

{{- define "outcry.validate" -}}
{{- $values := .Values -}}
{{- $production := eq $values.environment "production" -}}
{{- $distributed := eq $values.mode "distributed" -}}
{{- $publicOpen := and (eq $values.publicPort.tls.source "none") (not $values.publicPort.tls.encryptedElsewhere) -}}

{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" (include "outcry.fullname" .)) -}}
{{- fail (printf "%s cannot begin the name of a Service: set fullnameOverride to small letters, digits and hyphens that begin with a letter" (include "outcry.fullname" .)) -}}
{{- end -}}
{{- if and $production $publicOpen -}}
{{- fail "environment is production, and the public port does not encrypt: set publicPort.tls.source, or publicPort.tls.encryptedElsewhere where something in front of it does" -}}
{{- end -}}
{{- if and $production (dig "gateway" "reflection" false $values.config) -}}
{{- fail "environment is production, and config.gateway.reflection shows the contract to anybody: set it to false" -}}
{{- end -}}
{{- if and $production (dig "mesh" "faults" list $values.config) -}}
{{- fail "environment is production, and config.mesh.faults makes calls fail on purpose: remove them" -}}
{{- end -}}
{{- if and (eq $values.publicPort.tls.source "existingSecret") (not $values.publicPort.tls.existingSecret) -}}
{{- fail "publicPort.tls.source is existingSecret: name it in publicPort.tls.existingSecret" -}}
{{- end -}}
{{- if and (eq $values.publicPort.tls.source "certManager") (not $values.publicPort.tls.certManager.issuerRef.name) -}}
{{- fail "publicPort.tls.source is certManager: name the issuer in publicPort.tls.certManager.issuerRef.name" -}}
{{- end -}}
{{- if and $values.publicPort.service.externalTrafficPolicy (eq $values.publicPort.service.type "ClusterIP") -}}
{{- fail "publicPort.service.externalTrafficPolicy is for NodePort and LoadBalancer: choose another publicPort.service.type, or leave it out" -}}
{{- end -}}
{{- $ports := list (int $values.publicPort.port) (int $values.mesh.port) (int $values.adminPort.port) -}}
{{- if ne (len ($ports | uniq)) 3 -}}
{{- fail "publicPort.port, mesh.port and adminPort.port must differ" -}}
{{- end -}}

{{- if and (eq $values.broker.kind "existing") (not $values.broker.existing.secret) -}}
{{- fail "broker.kind is existing: name the Secret with RabbitMQ's URL in broker.existing.secret" -}}
{{- end -}}
{{- if and (eq $values.broker.kind "existing") $values.broker.existing.usersOfTheirOwn -}}
{{- if not $values.broker.existing.host -}}
{{- fail "broker.existing.usersOfTheirOwn makes URLs of the services' own: name RabbitMQ's host in broker.existing.host" -}}
{{- end -}}
{{- if not $values.broker.topologyJob.enabled -}}
{{- fail "broker.existing.usersOfTheirOwn needs broker.topologyJob.enabled: the Job makes the users, and what they may not declare" -}}
{{- end -}}
{{- end -}}
{{- if and (eq $values.broker.kind "operator") $values.broker.operator.usersOfTheirOwn (not $values.broker.operator.topology) -}}
{{- fail "broker.operator.usersOfTheirOwn needs broker.operator.topology: a service's user may not declare the groups of the others" -}}
{{- end -}}
{{- if and (eq $values.database.kind "existing") (not $values.database.existing.secret) -}}
{{- fail "database.kind is existing: name the Secret with PostgreSQL's URL in database.existing.secret" -}}
{{- end -}}

{{- if and (eq (include "outcry.migrations" .) "true") (eq $values.database.kind "operator") (eq (include "outcry.migrationsHook" .) "true") -}}
{{- fail "migrations.useHelmHooks runs the Job before the release's objects are there, and the cluster of database.kind operator is one of them: set migrations.useHelmHooks to false" -}}
{{- end -}}

{{- if $distributed -}}
{{- if or (eq $values.broker.kind "embedded") (eq $values.database.kind "embedded") -}}
{{- fail "mode is distributed: services of several processes meet in RabbitMQ and PostgreSQL; set broker.kind and database.kind to existing or operator" -}}
{{- end -}}
{{- if not $values.administrator.existingSecret -}}
{{- fail "mode is distributed: name a Secret with administrator.toml in administrator.existingSecret; a password the processes make would be lost with their pods" -}}
{{- end -}}
{{- if not $values.payments.existingSecret -}}
{{- fail "mode is distributed: name a Secret with webhook in payments.existingSecret; replicas with secrets of their own would refuse each other's webhooks" -}}
{{- end -}}
{{- if and $production (eq $values.mesh.identity "key") (not $values.mesh.encryptedElsewhere) -}}
{{- fail "environment is production, and mesh.identity is key, which does not encrypt: choose certManager or existingSecrets, or set mesh.encryptedElsewhere where another mesh does" -}}
{{- end -}}
{{- if and (eq $values.mesh.identity "certManager") (not $values.mesh.certManager.issuerRef.name) -}}
{{- fail "mesh.identity is certManager: name the issuer in mesh.certManager.issuerRef.name" -}}
{{- end -}}
{{- if and (eq $values.mesh.identity "key") (not $values.mesh.key.existingSecret) -}}
{{- fail "mesh.identity is key: name a Secret with 32 random bytes in mesh.key.existingSecret" -}}
{{- end -}}
{{- if and (eq $values.mesh.identity "existingSecrets") (not (contains "%s" $values.mesh.existingSecrets.nameFormat)) -}}
{{- fail "mesh.existingSecrets.nameFormat has no %s: services do not share a certificate" -}}
{{- end -}}
{{- range (include "outcry.contract" . | fromYaml).services -}}
{{- include "outcry.validateService" (list $ . (include "outcry.service" (list $ .name) | fromJson)) -}}
{{- end -}}
{{- else -}}
{{- if and (ne $values.database.kind "embedded") (eq $values.broker.kind "embedded") -}}
{{- fail "the embedded broker lives in the file of the embedded database: with database.kind existing or operator, set broker.kind, too" -}}
{{- end -}}
{{- if or $values.serviceDefaults.hpa.enabled $values.serviceDefaults.keda.enabled (ne (int $values.serviceDefaults.replicas) 1) -}}
{{- fail "mode is single: one process writes to its volume; more replicas need mode distributed" -}}
{{- end -}}
{{- if $values.serviceDefaults.database.existingSecret -}}
{{- fail "mode is single: the one process has one database; name it in database.existing.secret" -}}
{{- end -}}
{{- range $name, $own := $values.services -}}
{{- if $own -}}
{{- fail (printf "mode is single: services.%s has no effect; use serviceDefaults for the one process, or mode distributed" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- if and $values.routes.grpc.enabled $values.routes.http.enabled -}}
{{- range $values.routes.grpc.hostnames -}}
{{- if has . $values.routes.http.hostnames -}}
{{- fail (printf "routes.grpc and routes.http both have the host name %s: a Gateway takes one kind of route for one name" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (or $values.routes.grpc.enabled $values.routes.http.enabled) (not $values.routes.parentRefs) -}}
{{- fail "routes need a Gateway: name it in routes.parentRefs" -}}
{{- end -}}
{{- range list "grpc" "http" -}}
{{- $route := index $values.routes . -}}
{{- if and $route.enabled (not $route.hostnames) -}}
{{- fail (printf "routes.%s.enabled needs routes.%s.hostnames: without one it would take every name of the Gateway" . .) -}}
{{- end -}}
{{- end -}}
{{- if $values.routes.backendTLS.enabled -}}
{{- if or (eq $values.publicPort.tls.source "none") (not $values.routes.backendTLS.hostname) (not $values.routes.backendTLS.caConfigMap) -}}
{{- fail "routes.backendTLS needs publicPort.tls.source, routes.backendTLS.hostname and routes.backendTLS.caConfigMap" -}}
{{- end -}}
{{- end -}}
{{- with $values.tests.orderRoundTrip -}}
{{- if .enabled -}}
{{- if not .symbol -}}
{{- fail "tests.orderRoundTrip.enabled: name a symbol nobody else trades in tests.orderRoundTrip.symbol" -}}
{{- end -}}
{{- if not $values.administrator.existingSecret -}}
{{- fail "tests.orderRoundTrip.enabled: the test signs in as the administrator; name the Secret in administrator.existingSecret" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if lt (int $values.drain.processSeconds) 45 -}}
{{- fail "drain.processSeconds is below 45, the sum of what the process's phases may take: it would be cut off" -}}
{{- end -}}
{{- end -}}

{{/* Call with (list $ <of the contract> <values>). */}}
{{- define "outcry.validateService" -}}
{{- $root := index . 0 -}}
{{- $contract := index . 1 -}}
{{- $values := index . 2 -}}
{{- $name := $contract.name -}}
{{- $scaled := or $values.hpa.enabled $values.keda.enabled -}}
{{- if and $values.hpa.enabled $values.keda.enabled -}}
{{- fail (printf "services.%s: hpa and keda would scale against each other: enable one of them" $name) -}}
{{- end -}}
{{- if and $scaled (eq $name "trades") -}}
{{- fail "services.trades: the venue is not scaled by load, since symbols rest while they move; set replicas" -}}
{{- end -}}
{{- range list "hpa" "keda" -}}
{{- $scaler := index $values . -}}
{{- if and $scaler.enabled (lt (int $scaler.maxReplicas) (int $scaler.minReplicas)) -}}
{{- fail (printf "services.%s.%s: maxReplicas is below minReplicas" $name .) -}}
{{- end -}}
{{- end -}}
{{- if $values.keda.enabled -}}
{{- if not $contract.consumes -}}
{{- fail (printf "services.%s.keda: the service consumes no events: use hpa" $name) -}}
{{- end -}}
{{- if gt (int $values.keda.maxReplicas) (int $contract.consumes.partitions) -}}
{{- fail (printf "services.%s.keda: maxReplicas is %d, and its events have %d partitions: more replicas would wait" $name (int $values.keda.maxReplicas) (int $contract.consumes.partitions)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
