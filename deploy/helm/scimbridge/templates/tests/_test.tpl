{{/* A pod of "helm test" that asks the bridge with busybox's wget: (dict "root" $ "name" "script" "secret" or nil). */}}
{{- define "scimbridge.test" -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "scimbridge.name" .root }}-test-{{ .name }}
  labels:
    {{- include "scimbridge.labels" (list .root "test") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  {{- include "scimbridge.user" .root | nindent 2 }}
  {{- with .root.Values.scim.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: test
      image: {{ include "scimbridge.redis.image" .root }} # for its wget
      imagePullPolicy: {{ .root.Values.redis.image.pullPolicy }}
      securityContext:
        {{- include "scimbridge.confined" . | nindent 8 }}
      command:
        - /bin/sh
        - -ec
      args:
        - |
          {{- .script | nindent 10 }}
      resources:
        requests:
          memory: 64M
        limits:
          memory: 64M
      {{- if .secret }}
      volumeMounts:
        {{- include "scimbridge.mount" "test" | nindent 8 }}
      {{- end }}
  {{- if .secret }}
  volumes:
    {{- include "scimbridge.volume" (dict "name" "test" "secret" .secret.name "key" .secret.key "file" "token") | nindent 4 }}
  {{- end }}
{{- end }}

{{/* wget and the bridge's address. Within the cluster the certificate is for another name. */}}
{{- define "scimbridge.test.ask" -}}
{{- $scheme := include "scimbridge.scheme" . -}}
wget -q -O - -T 10{{ if eq $scheme "https" }} --no-check-certificate{{ end }}
{{- end }}

{{- define "scimbridge.test.address" -}}
{{ include "scimbridge.scheme" . }}://{{ include "scimbridge.name" . }}
{{- end }}
