{{/* The pods of some namespaces. Of their names. */}}
{{- define "voice.namespaces" -}}
- namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: In
        values: {{ toJson . }}
{{- end }}

{{- define "voice.dns" -}}
# The cluster's DNS, and a node's own cache of it.
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
    - ipBlock:
        cidr: 169.254.20.10/32
  ports:
    - protocol: UDP
      port: 53
    - protocol: TCP
      port: 53
{{- end }}

{{/* Where models come from. Of the peers. */}}
{{- define "voice.hub" -}}
- to:
    {{- toYaml . | nindent 4 }}
  ports:
    - protocol: TCP
      port: 443
{{- end }}
