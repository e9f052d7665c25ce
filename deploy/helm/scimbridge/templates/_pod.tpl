{{/* What a container may. */}}
{{- define "scimbridge.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end }}

{{/* What a pod may: the image's user, and files of its group. */}}
{{- define "scimbridge.user" -}}
automountServiceAccountToken: false
# Else each Service of the namespace becomes variables in the pod: one named "op-redis" would be taken for OP_REDIS_PORT.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 999
  runAsGroup: 999
  fsGroup: 999
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{/* Where pods go: (list $ component). */}}
{{- define "scimbridge.placing" -}}
{{- $component := . -}}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "scimbridge.selector" $component | nindent 8 }}
  {{- end }}
{{- end }}

{{/* An updated pod is ready before an old one goes. */}}
{{- define "scimbridge.rolling" -}}
strategy:
  type: RollingUpdate
  rollingUpdate:
    maxSurge: 1
    maxUnavailable: 0
{{- end }}

{{/* Variables for mail: (dict of host, port, …). */}}
{{- define "scimbridge.smtp.env" -}}
{{- if .host }}
- name: OP_SMTP_HOST
  value: {{ .host | quote }}
- name: OP_SMTP_PORT
  value: {{ .port | quote }}
- name: OP_SMTP_FROM
  value: {{ .from | quote }}
{{- if .username }}
- name: OP_SMTP_USERNAME
  value: {{ .username | quote }}
{{- end }}
{{- if .passwordSecret.name }}
- name: OP_SMTP_PASSWORD_FILE
  value: /secrets/smtp/password
{{- end }}
{{- end }}
{{- end }}

{{/* A secret's key as a file: (dict "name" of the volume "secret" "key" "file"). */}}
{{- define "scimbridge.volume" -}}
- name: {{ .name }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items:
      - key: {{ .key }}
        path: {{ .file }}
{{- end }}

{{/* Its mount, below /secrets: the whole folder, since files mounted by subPath are never renewed. */}}
{{- define "scimbridge.mount" -}}
- name: {{ . }}
  mountPath: /secrets/{{ . }}
  readOnly: true
{{- end }}

{{/* The secrets that a bridge mounts, as the arguments of scimbridge.volume. */}}
{{- define "scimbridge.secrets" -}}
{{- $s := .Values.scim -}}
{{- with $s.unlock.tokenSecret }}{{ if .name }}
- {name: unlock, secret: {{ .name }}, key: {{ .key }}, file: token}
{{- end }}{{ end }}
{{- with $s.config.dnsChallengeSecret }}{{ if .name }}
- {name: dns01, secret: {{ .name }}, key: {{ .key }}, file: dns01.json}
{{- end }}{{ end }}
{{- with $s.monitoringTokenSecret }}{{ if .name }}
- {name: monitoring, secret: {{ .name }}, key: {{ .key }}, file: token}
{{- end }}{{ end }}
{{- with $s.smtp.passwordSecret }}{{ if and $s.smtp.host .name }}
- {name: smtp, secret: {{ .name }}, key: {{ .key }}, file: password}
{{- end }}{{ end }}
{{- with .Values.redis }}{{ if and .enabled .auth.enabled }}
- {name: redis, secret: {{ .auth.existingSecret }}, key: {{ .auth.existingSecretPasswordKey }}, file: password}
{{- end }}{{ end }}
{{- end }}
