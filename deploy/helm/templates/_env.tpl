{{/* The server's variables. VOICE_HOST, VOICE_PORT and the folders are as the image has them. */}}
{{- define "voice.env" -}}
- name: VOICE_SHUTDOWN_GRACE_S
  value: {{ .Values.leaving.graceSeconds | quote }}
- name: VOICE_ALLOWED_HOSTS
  value: {{ include "voice.hosts" . | quote }}
- name: VOICE_UPLOADS
  value: {{ not .Values.voices.readOnly | quote }}
{{- if not .Values.keys.none }}
- name: VOICE_API_KEYS_FILE
  value: {{ printf "/etc/voice-server/keys/%s" .Values.keys.file | quote }}
{{- end }}
{{- if or .Values.keys.none .Values.wyoming.enabled }}
# With a keys file this opens the Wyoming port alone, which knows no keys.
- name: VOICE_ALLOW_NO_KEY
  value: "true"
{{- end }}
{{- with .Values.trustedProxies }}
- name: VOICE_TRUSTED_PROXIES
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.agentPort }}
- name: VOICE_AGENT_PORT
  value: {{ . | quote }}
{{- end }}
{{- if .Values.wyoming.enabled }}
- name: VOICE_WYOMING_PORT
  value: {{ .Values.wyoming.port | quote }}
{{- end }}
{{- range $name, $value := omit .Values.options "allowed_hosts" }}
- name: VOICE_{{ upper $name }}
  value: {{ include "voice.value" $value }}
{{- end }}
{{- end }}
