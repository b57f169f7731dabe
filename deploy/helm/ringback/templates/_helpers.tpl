{{/* The services: values key, name, image, arguments, consumer group and what they are granted. */}}
{{- define "ringback.components" -}}
- {key: producer, name: producer, image: producer, prefix: PRODUCER, group: "", args: []}
- {key: enricher, name: enricher, image: enricher, prefix: ENRICHER, group: ringback-enricher, args: []}
- {key: sinkInfomart, name: sink-infomart, image: sink, prefix: SINK, group: ringback-infomart, args: [infomart]}
- {key: sinkTserver, name: sink-tserver, image: sink, prefix: SINK, group: ringback-tserver, args: [tserver]}
{{- end }}

{{/* 31 characters, so that a CronJob's name, with a hyphen and a command of 20, has the 52 that it may have. */}}
{{- define "ringback.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 31 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 31 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 31 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels by which a service's pods are found: never changed by an upgrade. Quoted: a release may be called 2026 or
     true. Of dict root, component. */}}
{{- define "ringback.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "ringback.labels" -}}
{{ include "ringback.selector" . }}
app.kubernetes.io/version: {{ default .root.Chart.AppVersion .root.Values.image.tag | quote }}
app.kubernetes.io/part-of: ringback
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Metadata of an object. Of dict root, component, name, and labels and annotations of its own. */}}
{{- define "ringback.metadata" -}}
name: {{ .name | quote }}
namespace: {{ default .root.Release.Namespace .namespace | quote }}
labels:
  {{- include "ringback.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default (dict) .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "ringback.image" -}}
{{- $digest := index .root.Values.image.digests .image -}}
{{- printf "%s/%s/%s" (required "image.registry: is required" .root.Values.image.registry) .root.Values.image.repository .image -}}
{{- if $digest }}@{{ $digest }}{{ else }}:{{ default .root.Chart.AppVersion .root.Values.image.tag }}{{ end -}}
{{- end }}

{{/* The ports of addresses host:port or URLs, as a JSON list. Of dict list, ports. */}}
{{- define "ringback.ports" -}}
{{- $ports := .ports }}
{{- if not $ports }}
{{- range .list }}
{{- $p := regexFind "[0-9]+$" (regexFind ":[0-9]+$" (regexReplaceAll "^(https?://[^/]+).*$" (trim .) "${1}")) }}
{{- $ports = append $ports (int (default (ternary "443" "80" (hasPrefix "https:" (trim .))) $p)) }}
{{- end }}
{{- end }}
{{- $ports | uniq | toJson }}
{{- end }}

{{/* One egress rule. Of dict to, ports (a list). */}}
{{- define "ringback.egress" -}}
- ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* The egress rule to where names are resolved. */}}
{{- define "ringback.egressDNS" -}}
- ports:
    {{- range .Values.networkPolicy.dns.ports }}
    - {protocol: UDP, port: {{ . }}}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with .Values.networkPolicy.dns.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* What the restricted Pod Security Standard asks for, and more. */}}
{{- define "ringback.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "ringback.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where the store is. Of dict root, user; the password is in a file. */}}
{{- define "ringback.postgresqlEnv" -}}
{{- $p := .root.Values.postgresql -}}
- {name: POSTGRES_HOST, value: {{ $p.host | quote }}}
- {name: POSTGRES_PORT, value: {{ $p.port | quote }}}
- {name: POSTGRES_DB, value: {{ $p.database | quote }}}
- {name: POSTGRES_USER, value: {{ .user | quote }}}
- {name: POSTGRES_SSLMODE, value: {{ $p.sslmode | quote }}}
- {name: POSTGRES_PASSWORD_FILE, value: /etc/ringback/postgresql/password}
{{- with $p.caSecret.name }}
# The driver's own variable, as libpq's.
- {name: PGSSLROOTCERT, value: /etc/ringback/postgresql-ca/ca.crt}
{{- end }}
- {name: STORE_SCHEMA, value: {{ $p.schema | quote }}}
{{- end }}

{{/* 90 % of a memory limit in bytes, for GOMEMLIMIT: stacks and what is not the heap need the rest. */}}
{{- define "ringback.memory" -}}
{{- $text := ternary (. | int64 | toString) (toString .) (or (kindIs "float64" .) (kindIs "int64" .) (kindIs "int" .)) }}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 }}
{{- if not (regexMatch "^[0-9]+([.][0-9]+)?([kMGT]|[KMGT]i)?$" $text) }}{{ fail (printf "values:\n  resources.limits.memory: %q is no quantity such as 512Mi" $text) }}{{ end }}
{{- $unit := regexFind "[a-zA-Z]*$" $text }}
{{- mulf (trimSuffix $unit $text | float64) (index $units $unit) 0.9 | int64 }}
{{- end }}

{{/* The files of what goes to Kafka and the registry, as a JSON list of name, secret and items. Of dict root, kafka. */}}
{{- define "ringback.connectionFiles" -}}
{{- $v := .root.Values }}
{{- $files := list }}
{{- if and $v.kafka.tls.enabled $v.kafka.tls.caSecret.name }}
{{- $files = append $files (dict "name" "kafka-ca" "secret" $v.kafka.tls.caSecret.name "items" (list (dict "key" $v.kafka.tls.caSecret.key "path" "ca.crt"))) }}
{{- end }}
{{- if .kafka.clientCertSecret }}
{{- $files = append $files (dict "name" "kafka-client" "secret" .kafka.clientCertSecret "items" (list (dict "key" "tls.crt" "path" "tls.crt") (dict "key" "tls.key" "path" "tls.key"))) }}
{{- end }}
{{- if $v.kafka.sasl.mechanism }}
{{- $files = append $files (dict "name" "kafka-sasl" "secret" .kafka.existingSecret "items" (list (dict "key" .kafka.passwordKey "path" "password"))) }}
{{- end }}
{{- if $v.registry.username }}
{{- $files = append $files (dict "name" "registry" "secret" $v.registry.existingSecret "items" (list (dict "key" $v.registry.passwordKey "path" "password"))) }}
{{- end }}
{{- if $v.registry.caSecret.name }}
{{- $files = append $files (dict "name" "registry-ca" "secret" $v.registry.caSecret.name "items" (list (dict "key" $v.registry.caSecret.key "path" "ca.crt"))) }}
{{- end }}
{{- $files | toJson }}
{{- end }}

{{/* How Kafka and the registry are reached. Of dict root, kafka, name (the client's). */}}
{{- define "ringback.connectionEnv" -}}
{{- $v := .root.Values -}}
- {name: KAFKA_BROKERS, value: {{ join "," $v.kafka.brokers | quote }}}
- {name: KAFKA_CLIENT_ID, value: {{ .name | quote }}}
- {name: KAFKA_COMPRESSION, value: {{ $v.kafka.compression | quote }}}
{{- with $v.kafka.requestTimeout }}
- {name: KAFKA_REQUEST_TIMEOUT, value: {{ . | quote }}}
{{- end }}
{{- if $v.kafka.tls.enabled }}
- {name: KAFKA_TLS, value: "true"}
{{- with $v.kafka.tls.caSecret.name }}
- {name: KAFKA_TLS_CA_FILE, value: /etc/ringback/kafka-ca/ca.crt}
{{- end }}
{{- with $v.kafka.tls.serverName }}
- {name: KAFKA_TLS_SERVER_NAME, value: {{ . | quote }}}
{{- end }}
{{- if .kafka.clientCertSecret }}
- {name: KAFKA_TLS_CERT_FILE, value: /etc/ringback/kafka-client/tls.crt}
- {name: KAFKA_TLS_KEY_FILE, value: /etc/ringback/kafka-client/tls.key}
{{- end }}
{{- end }}
{{- if $v.kafka.sasl.mechanism }}
- {name: KAFKA_SASL_MECHANISM, value: {{ $v.kafka.sasl.mechanism | quote }}}
- {name: KAFKA_SASL_USERNAME, value: {{ .kafka.username | quote }}}
- {name: KAFKA_SASL_PASSWORD_FILE, value: /etc/ringback/kafka-sasl/password}
{{- end }}
- {name: REGISTRY_URL, value: {{ $v.registry.url | quote }}}
{{- with $v.registry.username }}
- {name: REGISTRY_USERNAME, value: {{ . | quote }}}
- {name: REGISTRY_PASSWORD_FILE, value: /etc/ringback/registry/password}
{{- end }}
{{- with $v.registry.caSecret.name }}
- {name: REGISTRY_CA_FILE, value: /etc/ringback/registry-ca/ca.crt}
{{- end }}
{{- end }}

{{/* The egress rules to Kafka and the registry. */}}
{{- define "ringback.connectionEgress" -}}
{{- $v := .Values }}
{{- $np := $v.networkPolicy -}}
{{ include "ringback.egress" (dict "to" $np.kafka.to "ports" (include "ringback.ports" (dict "list" $v.kafka.brokers "ports" $np.kafka.ports) | fromJsonArray)) }}
{{ include "ringback.egress" (dict "to" $np.registry.to "ports" (include "ringback.ports" (dict "list" (splitList "," $v.registry.url) "ports" $np.registry.ports) | fromJsonArray)) }}
{{- end }}

{{/* Volumes of files. Of a list of name, secret and items. */}}
{{- define "ringback.volumes" -}}
{{- range . }}
- name: {{ .name }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items: {{ toJson .items }}
{{- end }}
{{- end }}

{{/* A pod's template that runs `ringback` once. Of dict root, scope, args, and kafka where it goes there. */}}
{{- define "ringback.tool" -}}
{{- $v := .root.Values }}
{{- $files := list }}
{{- if .kafka }}{{ $files = include "ringback.connectionFiles" (dict "root" .root "kafka" .kafka) | fromJsonArray }}{{ end -}}
metadata:
  labels:
    {{- include "ringback.labels" .scope | nindent 4 }}
    {{- with $v.tools.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $v.tools.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "ringback.toolSpec" (merge (dict "files" $files) .) | nindent 2 }}
{{- end }}

{{- define "ringback.toolSpec" -}}
{{- $v := .root.Values -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "ringback.podSecurity" .root | nindent 2 }}
{{- with $v.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.tools.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.tools.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: ringback
    image: {{ include "ringback.image" (dict "root" .root "image" "ringback") }}
    imagePullPolicy: {{ $v.image.pullPolicy }}
    args: {{ toJson .args }}
    securityContext:
      {{- include "ringback.containerSecurity" .root | nindent 6 }}
    {{- if .kafka }}
    env:
      {{- include "ringback.connectionEnv" (dict "root" .root "kafka" .kafka "name" .scope.name) | nindent 6 }}
    {{- end }}
    resources:
      {{- toYaml $v.tools.resources | nindent 6 }}
    {{- if .files }}
    volumeMounts:
      {{- range .files }}
      - {name: {{ .name }}, mountPath: /etc/ringback/{{ .name }}, readOnly: true}
      {{- end }}
    {{- end }}
{{- if .files }}
volumes:
  {{- include "ringback.volumes" .files | trim | nindent 2 }}
{{- end }}
{{- end }}

{{/* Which login KEDA has: "none", "own" (the TriggerAuthentication of the values) or "made" (one of this chart). */}}
{{- define "ringback.kedaLogin" -}}
{{- $v := .Values -}}
{{- if $v.keda.authenticationRef.name }}own
{{- else if or $v.keda.existingSecret $v.keda.clientCertSecret (and $v.kafka.tls.enabled $v.kafka.tls.caSecret.name) }}made
{{- else }}none{{ end }}
{{- end }}

{{/* What is wrong with the values beyond the schema, all at once. */}}
{{- define "ringback.validate" -}}
{{- $faults := list }}
{{- $v := .Values }}
{{- if not $v.image.registry }}{{ $faults = append $faults "image.registry: is required" }}{{ end }}
{{- if not $v.kafka.brokers }}{{ $faults = append $faults "kafka.brokers: is required" }}{{ end }}
{{- if not $v.registry.url }}{{ $faults = append $faults "registry.url: is required" }}{{ end }}
{{- if and $v.registry.username (not $v.registry.existingSecret) }}{{ $faults = append $faults "registry.existingSecret: is required with registry.username" }}{{ end }}
{{- if and (not $v.kafka.tls.enabled) (eq $v.kafka.sasl.mechanism "PLAIN") }}{{ $faults = append $faults "kafka.tls.enabled: SASL PLAIN sends the password in the clear without TLS" }}{{ end }}
{{- if or $v.sinkInfomart.enabled $v.sinkTserver.enabled }}
{{- if not $v.postgresql.host }}{{ $faults = append $faults "postgresql.host: is required by the sinks" }}{{ end }}
{{- if not $v.postgresql.existingSecret }}{{ $faults = append $faults "postgresql.existingSecret: is required by the sinks" }}{{ end }}
{{- end }}
{{- if and $v.tracing.headersSecret.name (not $v.tracing.endpoint) }}{{ $faults = append $faults "tracing.endpoint: is required with tracing.headersSecret" }}{{ end }}
{{- if and $v.tracing.samplerArg (not $v.tracing.sampler) }}{{ $faults = append $faults "tracing.sampler: is required with tracing.samplerArg" }}{{ end }}
{{- if and $v.monitoring.prometheusRule.enabled (not $v.monitoring.serviceMonitor.enabled) (not $v.monitoring.prometheusRule.matchers) }}{{ $faults = append $faults "monitoring.prometheusRule.matchers: is required without monitoring.serviceMonitor, which sets the labels that tell this release's metrics: name those that yours have" }}{{ end }}
{{- if and $v.topics.apply $v.strimzi.topics.enabled }}{{ $faults = append $faults "topics.apply: strimzi.topics makes them already" }}{{ end }}
{{- if and $v.topics.apply $v.strimzi.users.enabled }}{{ $faults = append $faults "topics.apply: not with strimzi.users.enabled: the Job runs before the install, and the Secret of its KafkaUser is made after it; strimzi.topics.enabled makes the topics" }}{{ end }}
{{- if gt (int $v.topics.minInSync) (int $v.topics.replicas) }}{{ $faults = append $faults "topics.minInSync: more than topics.replicas: nothing could be written" }}{{ end }}
{{- if and $v.strimzi.topics.enabled (gt (int $v.strimzi.topics.minInSync) (int $v.strimzi.topics.replicas)) }}{{ $faults = append $faults "strimzi.topics.minInSync: more than strimzi.topics.replicas: nothing could be written" }}{{ end }}
{{- if and $v.migrations.user (not $v.migrations.existingSecret) }}{{ $faults = append $faults "migrations.existingSecret: is required with migrations.user" }}{{ end }}
{{- if and $v.migrations.existingSecret (not $v.migrations.user) }}{{ $faults = append $faults "migrations.user: is required with migrations.existingSecret" }}{{ end }}
{{- if $v.producer.enabled }}
{{- $mode := $v.producer.auth.mode }}
{{- $tokens := or (eq $mode "token") (eq $mode "both") }}
{{- $oidc := or (eq $mode "oidc") (eq $mode "both") }}
{{- if and $tokens (not $v.producer.auth.existingSecret) }}{{ $faults = append $faults "producer.auth.existingSecret: is required: the Secret with the bearer tokens" }}{{ end }}
{{- if and (not $tokens) $v.producer.auth.existingSecret }}{{ $faults = append $faults (printf "producer.auth.mode: is %s although a Secret with tokens is given" $mode) }}{{ end }}
{{- if and $oidc (not (and $v.producer.auth.oidc.issuer $v.producer.auth.oidc.audience)) }}{{ $faults = append $faults "producer.auth.oidc: issuer and audience are required" }}{{ end }}
{{- if and (not $oidc) $v.producer.auth.oidc.issuer }}{{ $faults = append $faults (printf "producer.auth.mode: is %s although an OpenID provider is given" $mode) }}{{ end }}
{{- if and (eq (toString $v.producer.config.PRODUCER_MASK_NUMBERS) "hash") (not $v.producer.mask.existingSecret) }}{{ $faults = append $faults "producer.mask.existingSecret: is required with PRODUCER_MASK_NUMBERS: hash" }}{{ end }}
{{- end }}
{{- if and $v.producer.enabled (ne $v.producer.service.type "ClusterIP") }}
{{- $where := printf "producer.service.type: %s reaches beyond the cluster" $v.producer.service.type }}
{{- if and (eq $v.producer.auth.mode "off") (not $v.producer.service.allowUnauthenticated) }}{{ $faults = append $faults (printf "%s, and producer.auth.mode is off: whoever reaches it may write events; producer.service.allowUnauthenticated: true, if that is meant" $where) }}{{ end }}
{{- if and (not $v.producer.tls.existingSecret) (not $v.producer.service.allowCleartext) }}{{ $faults = append $faults (printf "%s without producer.tls.existingSecret: tokens and personal data travel in the clear; producer.service.allowCleartext: true, if TLS ends right before it" $where) }}{{ end }}
{{- end }}
{{- if and $v.admin.profile (not $v.admin.existingSecret) }}{{ $faults = append $faults "admin.existingSecret: is required with admin.profile" }}{{ end }}
{{- if and $v.admin.tlsSecret $v.monitoring.serviceMonitor.enabled (not $v.monitoring.serviceMonitor.tlsConfig) }}{{ $faults = append $faults "monitoring.serviceMonitor.tlsConfig: is required with admin.tlsSecret (serverName, ca)" }}{{ end }}
{{- if $v.sinkTserver.enabled }}
{{- if not $v.sinkTserver.gateway.url }}{{ $faults = append $faults "sinkTserver.gateway.url: is required" }}{{ end }}
{{- if not $v.sinkTserver.switch }}{{ $faults = append $faults "sinkTserver.switch: is required: the switch of the reporting DN" }}{{ end }}
{{- end }}
{{- if $v.ingress.enabled }}
{{- if not $v.ingress.host }}{{ $faults = append $faults "ingress.host: is required" }}{{ end }}
{{- if not $v.ingress.tlsSecret }}{{ $faults = append $faults "ingress.tlsSecret: is required: tokens and personal data travel this way" }}{{ end }}
{{- end }}
{{- if and (or $v.ingress.enabled $v.gateway.enabled) (eq $v.producer.auth.mode "off") }}{{ $faults = append $faults "producer.auth.mode: off: not behind an Ingress or a Gateway" }}{{ end }}
{{- if and $v.gateway.enabled (not $v.gateway.parentRefs) }}{{ $faults = append $faults "gateway.parentRefs: is required" }}{{ end }}
{{- if and (or $v.strimzi.topics.enabled $v.strimzi.users.enabled) (not $v.strimzi.cluster) }}{{ $faults = append $faults "strimzi.cluster: is required" }}{{ end }}
{{- range include "ringback.components" . | fromYamlArray }}
{{- $c := index $v .key }}
{{- if $c.enabled }}
{{- if and $v.kafka.sasl.mechanism (not (and $c.kafka.username $c.kafka.existingSecret)) }}{{ $faults = append $faults (printf "%s.kafka: username and existingSecret are required with kafka.sasl.mechanism" .key) }}{{ end }}
{{- if and $c.kafka.username (not $v.kafka.sasl.mechanism) }}{{ $faults = append $faults (printf "%s.kafka.username: kafka.sasl.mechanism is missing" .key) }}{{ end }}
{{- if and $c.kafka.clientCertSecret (not $v.kafka.tls.enabled) }}{{ $faults = append $faults (printf "%s.kafka.clientCertSecret: kafka.tls.enabled is false" .key) }}{{ end }}
{{- if and (eq $c.autoscaling.type "keda") (not $v.keda.authenticationRef.name) }}
{{- if and $v.kafka.sasl.mechanism (not $v.keda.existingSecret) }}{{ $faults = append $faults (printf "keda.existingSecret: is required with kafka.sasl.mechanism and %s.autoscaling.type keda, or keda.authenticationRef: KEDA could not ask for the lag" .key) }}{{ end }}
{{- if and $c.kafka.clientCertSecret (not $v.kafka.sasl.mechanism) (not $v.keda.clientCertSecret) }}{{ $faults = append $faults (printf "keda.clientCertSecret: is required with %s.kafka.clientCertSecret and its autoscaling.type keda, or keda.authenticationRef: KEDA could not ask for the lag" .key) }}{{ end }}
{{- end }}
{{- if and (eq $c.autoscaling.type "keda") (eq .key "producer") }}{{ $faults = append $faults "producer.autoscaling.type: the producer has no lag; hpa or none" }}{{ end }}
{{- end }}
{{- end }}
{{- if and $v.keda.authenticationRef.name (or $v.keda.existingSecret $v.keda.clientCertSecret) }}{{ $faults = append $faults "keda.authenticationRef: and a Secret of keda are given: which of them holds?" }}{{ end }}
{{- if and $v.keda.clientCertSecret (not $v.kafka.tls.enabled) }}{{ $faults = append $faults "keda.clientCertSecret: kafka.tls.enabled is false" }}{{ end }}
{{- $tools := list }}
{{- if $v.operator.enabled }}{{ $tools = append $tools "operator" }}{{ end }}
{{- if or $v.topics.plan $v.topics.apply }}{{ $tools = append $tools "topics" }}{{ end }}
{{- range $tools }}
{{- $c := index $v . }}
{{- if and $v.kafka.sasl.mechanism (not (and $c.kafka.username $c.kafka.existingSecret)) }}{{ $faults = append $faults (printf "%s.kafka: username and existingSecret are required with kafka.sasl.mechanism" .) }}{{ end }}
{{- if and $c.kafka.username (not $v.kafka.sasl.mechanism) }}{{ $faults = append $faults (printf "%s.kafka.username: kafka.sasl.mechanism is missing" .) }}{{ end }}
{{- if and $c.kafka.clientCertSecret (not $v.kafka.tls.enabled) }}{{ $faults = append $faults (printf "%s.kafka.clientCertSecret: kafka.tls.enabled is false" .) }}{{ end }}
{{- end }}
{{- with $faults }}{{ fail (printf "values:\n  %s" (join "\n  " .)) }}{{ end }}
{{- end }}
