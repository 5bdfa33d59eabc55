#!/bin/sh
# Writes the bill of materials of an image's packages beside them: CycloneDX, with licences. With
# AUDIT=yes it fails where a hole is known in one of them, or where nobody could be asked.
set -eu

/opt/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application \
    --output-file "$VIRTUAL_ENV/bom.cdx.json" "$VIRTUAL_ENV/bin/python"
case $AUDIT in
    yes) /opt/tools/bin/pip-audit --strict --path "$VIRTUAL_ENV"/lib/python3.*/site-packages ;;
    no) ;;
    *) echo "AUDIT is yes or no" >&2; exit 2 ;;
esac
