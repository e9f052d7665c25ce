{{/* What everything is called. */}}
{{- define "scimbridge.name" -}}
{{- if .Values.scim.name -}}
{{- tpl .Values.scim.name . | trunc 50 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* Labels of what belongs to a component: (list $ "bridge"). */}}
{{- define "scimbridge.labels" -}}
{{- $ := index . 0 -}}
helm.sh/chart: {{ $.Chart.Name }}-{{ $.Chart.Version }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
{{ include "scimbridge.selector" . }}
{{- end }}

{{/* Those that a component's pods are found by. */}}
{{- define "scimbridge.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ $.Chart.Name }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "scimbridge.image" -}}
{{ .Values.scim.imageRepository }}:{{ default (printf "v%s" .Chart.AppVersion) .Values.scim.version }}
{{- end }}

{{- define "scimbridge.redis.image" -}}
{{ .Values.redis.image.registry }}/{{ .Values.redis.image.repository }}:{{ .Values.redis.image.tag }}
{{- end }}

{{/* The secret with the scimsession. */}}
{{- define "scimbridge.session.secret" -}}
{{- with .Values.scim.credentials.secrets -}}
{{- if .name }}{{ .name }}{{ else if .create }}{{ include "scimbridge.name" $ }}-credentials{{ else }}scimsession{{ end -}}
{{- end -}}
{{- end }}

{{- define "scimbridge.serviceAccount" -}}
{{- with .Values.scim.serviceAccount -}}
{{- if .name }}{{ .name }}{{ else if .create }}{{ include "scimbridge.name" $ }}{{ else }}default{{ end -}}
{{- end -}}
{{- end }}

{{/* "https" where the bridge terminates TLS, else "http": the port's name and the scheme. */}}
{{- define "scimbridge.scheme" -}}
{{ if .Values.scim.config.tlsDomain }}https{{ else }}http{{ end }}
{{- end }}

{{/* "true" where its certificate has to be got first. */}}
{{- define "scimbridge.acme" -}}
{{ if and .Values.scim.config.tlsDomain (not .Values.scim.tls.enabled) }}true{{ end }}
{{- end }}

{{- define "scimbridge.account.scheme" -}}
{{ if .Values.account.tls.secret }}https{{ else }}http{{ end }}
{{- end }}

{{/* "true" where there is a Redis, ours or another. */}}
{{- define "scimbridge.redis" -}}
{{ if or .Values.redis.enabled .Values.scim.config.redisURL .Values.scim.config.redisURLSecret.name }}true{{ end }}
{{- end }}
