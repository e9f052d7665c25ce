{{/* Values that contradict each other. */}}
{{- define "scimbridge.checks" -}}
{{- $s := .Values.scim -}}
{{- $c := $s.credentials -}}
{{- if and $c.secrets.enabled $c.volume.enabled }}
{{- fail "scim.credentials: the scimsession comes from a secret or from a volume. Set secrets.enabled or volume.enabled to false" }}
{{- end }}
{{- if not (or $c.secrets.enabled $c.volume.enabled) }}
{{- fail "scim.credentials: there is no scimsession. Set secrets.enabled or volume.enabled to true" }}
{{- end }}
{{- if and $c.volume.enabled (not $c.volume.claimName) }}
{{- fail "scim.credentials.volume: name the claim of the volume in claimName" }}
{{- end }}
{{- with $c.secrets }}
{{- if and .create (not (or .scimsession.value_json .scimsession.value_base64)) }}
{{- fail "scim.credentials.secrets.create: give the scimsession with --set-file scim.credentials.secrets.scimsession.value_json=./scimsession, or make the secret yourself and leave create at false" }}
{{- end }}
{{- if and (not .create) (or .scimsession.value_json .scimsession.value_base64) }}
{{- fail "scim.credentials.secrets.scimsession has a value, and create is false. Set create to true, or take the value away" }}
{{- end }}
{{- if and .scimsession.value_json .scimsession.value_base64 }}
{{- fail "scim.credentials.secrets.scimsession has two values. Leave value_json or value_base64 out" }}
{{- end }}
{{- end }}
{{- if and $s.tls.enabled (not $s.tls.secret) }}
{{- fail "scim.tls: name the secret with the certificate in secret" }}
{{- end }}
{{- if and $s.tls.secret (not $s.tls.enabled) }}
{{- fail "scim.tls.secret is named, and enabled is false. Set enabled to true, or take the name away: else Let's Encrypt would be asked for a certificate" }}
{{- end }}
{{- if and $s.tls.enabled (not $s.config.tlsDomain) }}
{{- fail "scim.tls: name the domain that the certificate is for in scim.config.tlsDomain" }}
{{- end }}
{{- if and $s.config.dnsChallengeSecret.name (not (include "scimbridge.acme" .)) }}
{{- fail "scim.config.dnsChallengeSecret is for a certificate from Let's Encrypt: name the domain in scim.config.tlsDomain, and leave scim.tls off" }}
{{- end }}
{{- if and $s.ingress.enabled $s.config.tlsDomain }}
{{- fail "scim.ingress brings TLS, and so would the bridge by scim.config.tlsDomain. Leave one of them out" }}
{{- end }}
{{- if and .Values.redis.enabled (or $s.config.redisURL $s.config.redisURLSecret.name) }}
{{- fail "redis.enabled runs a Redis, and scim.config names another. Set redis.enabled to false, or take redisURL and redisURLSecret away" }}
{{- end }}
{{- if and $s.config.redisURL $s.config.redisURLSecret.name }}
{{- fail "scim.config: redisURL and redisURLSecret name a Redis each. Leave one out" }}
{{- end }}
{{- if contains "@" $s.config.redisURL }}
{{- fail "scim.config.redisURL: a password does not belong into values. Put the URL into a secret and name that in redisURLSecret" }}
{{- end }}
{{- if and .Values.redis.auth.enabled (not .Values.redis.auth.existingSecret) }}
{{- fail "redis.auth: make a secret with the password, and name it in existingSecret" }}
{{- end }}
{{- if and $s.unlock.share (not (include "scimbridge.redis" .)) }}
{{- fail "scim.unlock.share needs a Redis: set redis.enabled, or name one in scim.config.redisURLSecret" }}
{{- end }}
{{- if and $s.unlock.share .Values.redis.enabled (not .Values.redis.auth.enabled) }}
{{- fail "scim.unlock.share: whoever can write to the Redis then needs no token, so give it a password: redis.auth.enabled and redis.auth.existingSecret" }}
{{- end }}
{{- if and (include "scimbridge.acme" .) (not (include "scimbridge.redis" .)) (or $s.autoscaling.enabled (gt (int $s.replicaCount) 1)) }}
{{- fail "scim.config.tlsDomain: several bridges share a certificate through Redis. Set redis.enabled, name one in scim.config, or set scim.replicaCount to 1" }}
{{- end }}
{{- if and $s.autoscaling.enabled (gt (int $s.autoscaling.minReplicas) (int $s.autoscaling.maxReplicas)) }}
{{- fail "scim.autoscaling: minReplicas is more than maxReplicas" }}
{{- end }}
{{- if and $s.smtp.host (not $s.smtp.from) }}
{{- fail "scim.smtp: name the sender of invitations in from" }}
{{- end }}
{{- if and $s.serviceMonitor.enabled (not (or $s.serviceMonitor.bearerTokenSecret.name $s.monitoringTokenSecret.name)) }}
{{- fail "scim.serviceMonitor: /metrics wants a token. Make a secret with one of your choice, and name it in scim.monitoringTokenSecret" }}
{{- end }}
{{- with .Values.account }}
{{- if .enabled }}
{{- if not (hasPrefix "https://" .url) }}
{{- fail "account.url: say what bridges and people reach the account service by, such as https://account.example.com" }}
{{- end }}
{{- if not .databaseSecret.name }}
{{- fail "account.databaseSecret: make a secret with the URL of the database, and name it" }}
{{- end }}
{{- if and .ingress.enabled .tls.secret }}
{{- fail "account.ingress brings TLS, and so would the account service by account.tls. Leave one of them out" }}
{{- end }}
{{- if and .smtp.host (not .smtp.from) }}
{{- fail "account.smtp: name the sender of invitations in from" }}
{{- end }}
{{- range .ingress.hosts }}
{{- if and $.Values.account.ingress.enabled (ne (printf "https://%s" .host) (trimSuffix "/" $.Values.account.url)) }}
{{- fail (printf "account.ingress leads %s to an account service that goes by %s. Make them the same" .host $.Values.account.url) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $in := dict "scim" $s.ingress "account" .Values.account.ingress }}
{{- if and $in.enabled (not $in.hosts) }}
{{- fail (printf "%s.ingress: name a host" $name) }}
{{- end }}
{{- if $in.enabled }}
{{- $secure := list }}
{{- range $in.tls }}{{ $secure = concat $secure .hosts }}{{ end }}
{{- range $in.hosts }}
{{- if not (has .host $secure) }}
{{- fail (printf "%s.ingress: tokens must not travel in the clear. Name a certificate for %s in tls" $name .host) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
