{{- define "voice.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of what there is one of; 48 characters, since a job puts 15 behind. */}}
{{- define "voice.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else if contains (include "voice.name" .) .Release.Name -}}
{{ .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "voice.name" .) | trunc 48 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "voice.selector" -}}
app.kubernetes.io/name: {{ include "voice.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "voice.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "voice.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "voice.tag" -}}
{{- $resource := .Values.gpu.resource -}}
{{- if .Values.image.tag -}}
{{ .Values.image.tag }}
{{- else if not $resource -}}
cpu
{{- else if hasPrefix "nvidia.com/" $resource -}}
cuda
{{- else if hasPrefix "amd.com/" $resource -}}
rocm
{{- else -}}
{{ fail (printf "image.tag: name one, since no image is known for gpu.resource %s" $resource) }}
{{- end -}}
{{- end }}

{{- define "voice.image" -}}
image: {{ printf "%s:%s" .Values.image.repository (include "voice.tag" .) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{/* What every container may do. */}}
{{- define "voice.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* What every pod may do, as whom, and where it may run. enableServiceLinks: a Service called
"voice" would give the server VOICE_PORT=tcp://... */}}
{{- define "voice.podSecurity" -}}
serviceAccountName: {{ include "voice.fullname" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  {{- with .Values.gpu.groups }}
  supplementalGroups: {{ toJson . }}
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $tolerations := .Values.tolerations }}
{{- if .Values.gpu.resource }}
{{- $gpus := dict "key" .Values.gpu.resource "operator" "Exists" "effect" "NoSchedule" }}
{{- $tolerations = prepend $tolerations $gpus }}
{{- end }}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The container that fetches models: of the job, which leaves a mark when all is there, or of each
pod. Of a dict with the root context and the mark. */}}
{{- define "voice.fetch" -}}
{{- $values := .root.Values -}}
name: fetch
{{ include "voice.image" .root }}
{{- if .mark }}
command: [sh, -c]
{{- end }}
args:
  {{- with .mark }}
  - /opt/venv/bin/python server.py "$@" && touch "/models/.fetched-$0"
  - {{ . | quote }}
  {{- end }}
  - fetch
  {{- range $values.models.fetch }}
  - {{ . | quote }}
  {{- end }}
  {{- with $values.models.revision }}
  - {{ printf "--revision=%s" . | quote }}
  {{- end }}
{{- with $values.models.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  requests:
    cpu: 100m
    memory: 512Mi
  limits:
    memory: 2Gi
{{ include "voice.containerSecurity" .root }}
volumeMounts:
  - name: models
    mountPath: /models
  - name: tmp
    mountPath: /tmp
{{- end }}

{{/* The job that fills the shared claim. Of a dict with the root context and the mark that it leaves. */}}
{{- define "voice.jobSpec" -}}
{{- $root := .root -}}
backoffLimit: 10
template:
  metadata:
    labels:
      {{- include "voice.selector" $root | nindent 6 }}
      app.kubernetes.io/component: fetch
  spec:
    {{- include "voice.podSecurity" $root | nindent 4 }}
    restartPolicy: Never
    containers:
      - {{ include "voice.fetch" . | nindent 8 | trim }}
    volumes:
      - name: models
        persistentVolumeClaim:
          claimName: {{ include "voice.claim" $root }}
      - name: tmp
        emptyDir:
          sizeLimit: {{ $root.Values.tmpSize }}
{{- end }}

{{/* What the job does, in eight letters. A job cannot be changed, so another one has another name. */}}
{{- define "voice.mark" -}}
{{ include "voice.jobSpec" (dict "root" . "mark" "-") | sha256sum | trunc 8 }}
{{- end }}

{{- define "voice.job" -}}
{{ include "voice.fullname" . }}-fetch-{{ include "voice.mark" . }}
{{- end }}

{{- define "voice.claim" -}}
{{ .Values.models.claim | default (printf "%s-models" (include "voice.fullname" .)) }}
{{- end }}

{{/* "yes" where a job fills the models' claim. */}}
{{- define "voice.hasJob" -}}
{{- if and .Values.models.fetch (eq .Values.models.volume "shared") }}yes{{ end -}}
{{- end }}

{{/* "yes" where pods have a volume of models. */}}
{{- define "voice.hasModels" -}}
{{- if or .Values.models.fetch (and .Values.models.claim (eq .Values.models.volume "shared")) }}yes{{ end -}}
{{- end }}

{{/* An option's value as a variable has it. A number by JSON: Go would write 1e+06. */}}
{{- define "voice.value" -}}
{{- if kindIs "slice" . -}}
{{ join "," . | quote }}
{{- else if kindIs "string" . -}}
{{ . | quote }}
{{- else -}}
{{ toJson . | quote }}
{{- end -}}
{{- end }}

{{/* The names by which the server is asked for: where it has no keys, it answers to no other. */}}
{{- define "voice.hosts" -}}
{{- $name := include "voice.fullname" . -}}
{{- $space := .Release.Namespace -}}
{{- $hosts := list $name (printf "%s.%s" $name $space) (printf "%s.%s.svc" $name $space) -}}
{{- $hosts = append $hosts (printf "%s.%s.svc.cluster.local" $name $space) -}}
{{- if .Values.ingress.enabled }}{{ $hosts = concat $hosts .Values.ingress.hosts }}{{ end -}}
{{- if .Values.httpRoute.enabled }}{{ $hosts = concat $hosts .Values.httpRoute.hostnames }}{{ end -}}
{{- concat $hosts (.Values.options.allowed_hosts | default list) | uniq | join "," -}}
{{- end }}

{{/* All the seconds that a pod may take to leave. The last five: the server's last words, and the
kubelet's own time. */}}
{{- define "voice.terminationSeconds" -}}
{{- $leaving := .Values.leaving -}}
{{ addf $leaving.settleSeconds $leaving.drainSeconds $leaving.graceSeconds 5 | ceil | int }}
{{- end }}

{{- define "voice.startSeconds" -}}
{{ mul .Values.startup.periodSeconds .Values.startup.failureThreshold }}
{{- end }}

{{/* Values that are right each by itself, and not together. */}}
{{- define "voice.check" -}}
{{- $name := include "voice.fullname" . -}}
{{- $words := list "true" "false" "null" "yes" "no" "on" "off" "y" "n" -}}
{{- if or (has $name $words) (not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name)) -}}
{{ fail (printf "fullnameOverride: %s cannot name a Service: say one of a-z, 0-9 and -, from a letter on" $name) }}
{{- end -}}
{{- $ports := list 8765 -}}
{{- if .Values.agentPort }}{{ $ports = append $ports (int .Values.agentPort) }}{{ end -}}
{{- if .Values.wyoming.enabled }}{{ $ports = append $ports (int .Values.wyoming.port) }}{{ end -}}
{{- if ne (len $ports) (len (uniq $ports)) -}}
{{ fail "agentPort, wyoming.port: each needs a port of its own, and 8765 is taken" }}
{{- end -}}
{{- if and .Values.wyoming.enabled (eq (int .Values.wyoming.port) (int .Values.service.port)) -}}
{{ fail "service.port: wyoming.port is the same" }}
{{- end -}}
{{- range .Values.extraVolumes }}
{{- if has .name (list "models" "voices" "keys" "tmp") }}
{{ fail (printf "extraVolumes: %s is a name that the chart uses" .name) }}
{{- end -}}
{{- end -}}
{{- range .Values.extraVolumeMounts }}
{{- if has (trimSuffix "/" (toString .mountPath)) (list "/models" "/voices" "/etc/voice-server/keys" "/tmp") }}
{{ fail (printf "extraVolumeMounts: %s is a place that the chart uses" .mountPath) }}
{{- end -}}
{{- end -}}
{{- range $label, $_ := .Values.podLabels }}
{{- if has $label (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component") }}
{{ fail (printf "podLabels: %s is what pods are found by" $label) }}
{{- end -}}
{{- end -}}
{{- $none := list "0" "0%" -}}
{{- $rollout := .Values.rollout -}}
{{- if and (has (toString $rollout.maxUnavailable) $none) (has (toString $rollout.maxSurge) $none) -}}
{{ fail "rollout: maxUnavailable and maxSurge are both 0, so no pod could ever be replaced" }}
{{- end -}}
{{- if and .Values.models.fetch (regexMatch "(^|-)light(@|$)" (include "voice.tag" .)) -}}
{{ fail "models.fetch: the image light cannot fetch any; say models.fetch=[]" }}
{{- end -}}
{{- if and .Values.models.claim (eq .Values.models.volume "pod") -}}
{{ fail "models.claim: is of no use where models.volume is pod" }}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not .Values.keys.none) (not .Values.serviceMonitor.keySecret) -}}
{{ fail "serviceMonitor.keySecret: /metrics needs a key without limits; name the secret that has one" }}
{{- end -}}
{{- if and .Values.keda.enabled (not .Values.keda.prometheus) -}}
{{ fail "keda.prometheus: say at which address Prometheus is asked" }}
{{- end -}}
{{- if and .Values.keda.enabled (gt (int .Values.keda.minReplicas) (int .Values.keda.maxReplicas)) -}}
{{ fail "keda: minReplicas is more than maxReplicas" }}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{ fail "ingress.hosts: name the hosts" }}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{ fail "httpRoute.parentRefs: name the Gateway" }}
{{- end -}}
{{- if and (not .Values.voices.readOnly) (not .Values.voices.claim) -}}
{{ fail "voices.readOnly: uploads need a claim that all pods share; name it by voices.claim" }}
{{- end -}}
{{- end }}
