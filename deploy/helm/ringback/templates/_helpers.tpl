{{/* The services: values key, name, image, arguments, consumer group and what they are granted. */}}
{{- define "ringback.components" -}}
- {key: producer, name: producer, image: producer, prefix: PRODUCER, group: "", args: []}
- {key: enricher, name: enricher, image: enricher, prefix: ENRICHER, group: ringback-enricher, args: []}
- {key: sinkInfomart, name: sink-infomart, image: sink, prefix: SINK, group: ringback-infomart, args: [infomart]}
- {key: sinkTserver, name: sink-tserver, image: sink, prefix: SINK, group: ringback-tserver, args: [tserver]}
{{- end }}

{{- define "ringback.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels by which a service's pods are found: never changed by an upgrade. Of dict root, component. */}}
{{- define "ringback.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
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
name: {{ .name }}
namespace: {{ default .root.Release.Namespace .namespace }}
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
{{- if and $v.admin.profile (not $v.admin.existingSecret) }}{{ $faults = append $faults "admin.existingSecret: is required with admin.profile" }}{{ end }}
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
{{- if and (eq $c.autoscaling.type "keda") (eq .key "producer") }}{{ $faults = append $faults "producer.autoscaling.type: the producer has no lag; hpa or none" }}{{ end }}
{{- end }}
{{- end }}
{{- with $faults }}{{ fail (printf "values:\n  %s" (join "\n  " .)) }}{{ end }}
{{- end }}
