{{/* An Ingress: (dict "root" $ "component" "name" "ingress" .Values…). */}}
{{- define "scimbridge.ingress" -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ .name }}
  labels:
    {{- include "scimbridge.labels" (list .root .component) | nindent 4 }}
  {{- with .ingress.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  tls:
    {{- toYaml .ingress.tls | nindent 4 }}
  rules:
    {{- $name := .name }}
    {{- range .ingress.hosts }}
    - host: {{ .host }}
      http:
        paths:
          {{- range default (list (dict "path" "/" "pathType" "Prefix")) .paths }}
          - path: {{ .path }}
            pathType: {{ default "Prefix" .pathType }}
            backend:
              service:
                name: {{ $name }}
                port:
                  name: http
          {{- end }}
    {{- end }}
{{- end }}
