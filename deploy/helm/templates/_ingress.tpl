{{/* Lines of a backend of HAProxy, as deploy/haproxy/ has them: a server that is full answers 503 at
once, and another one is asked, for upgrades and for speech, which comes by POST. The longer time is
for what is held back or looked through before it is answered. */}}
{{- define "voice.backend" -}}
retries 3
option redispatch 1
retry-on conn-failure empty-response response-timeout 503
http-request disable-l7-retry unless METH_GET or METH_POST
http-request set-timeout server 120s unless { req.hdr(upgrade) -m found }
{{- end }}

{{/* What the two controllers that are HAProxy want, as YAML. Times are until the upgrade is answered
(server), and without a byte on an open socket (tunnel), where the server pings. */}}
{{- define "voice.ingressAnnotations" -}}
{{- if eq .Values.ingress.controller "haproxy-ingress" -}}
haproxy-ingress.github.io/balance-algorithm: leastconn
haproxy-ingress.github.io/timeout-queue: 2s
haproxy-ingress.github.io/timeout-server: 5s
haproxy-ingress.github.io/timeout-tunnel: 90s
haproxy-ingress.github.io/health-check-uri: /health/live
haproxy-ingress.github.io/health-check-interval: 1s
{{- with .Values.agentPort }}
haproxy-ingress.github.io/agent-check-port: {{ . | quote }}
haproxy-ingress.github.io/agent-check-interval: 500ms
{{- end }}
haproxy-ingress.github.io/config-backend: |
  {{- include "voice.backend" . | nindent 2 }}
{{- else if eq .Values.ingress.controller "haproxytech" -}}
haproxy.org/load-balance: leastconn
haproxy.org/timeout-server: 5s
haproxy.org/check: "true"
haproxy.org/check-http: /health/live
haproxy.org/check-interval: 1s
haproxy.org/backend-config-snippet: |
  timeout queue 2s
  timeout tunnel 90s
  {{- include "voice.backend" . | nindent 2 }}
  {{- with .Values.agentPort }}
  default-server agent-check agent-port {{ . }} agent-inter 500ms
  {{- end }}
{{- end }}
{{- end }}
