#!/bin/sh
# Prints the alerts as a PrometheusRule, as Kubernetes' Prometheus operator wants them. The arguments
# are labels by which it selects rules, as release=kube-prometheus-stack.
set -eu
cat <<END
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: voice-server
  labels:
    app.kubernetes.io/name: voice-server
END
for label in "$@"; do
    printf '    %s: "%s"\n' "${label%%=*}" "${label#*=}"
done
echo spec:
sed 's/^\(.\)/  \1/' "$(dirname "$0")/alerts.yaml"
