# The image of Assay: see docs/deploy.md. Its steps are scripts that run without a
# container engine, too. For a build that can be repeated give the base its digest:
#   --build-arg PYTHON=python:3.11-slim-bookworm@sha256:…
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build

# Libraries change seldom, so they are a layer of their own. An index that is not the
# public one is named by a pip.conf, which stays out of the image: --secret id=pip,src=…
COPY requirements/ requirements/
COPY deploy/libraries.sh deploy/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    deploy/libraries.sh /opt/assay

COPY pyproject.toml README.md LICENSE .gitignore ./
COPY deploy/ deploy/
COPY src/ src/
COPY agents/ agents/
COPY api/ api/
COPY graphs/ graphs/
COPY store/ store/
COPY triggers/ triggers/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    deploy/program.sh /opt/assay \
    && deploy/trim.sh /opt/assay \
    && deploy/proof.sh /opt/assay


FROM ${PYTHON}
# tini hands signals on, and buries what a step's programs leave behind.
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 assay \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data assay \
    && install -d -o 10001 -g 10001 -m 0750 /data
COPY --from=build /opt/assay /opt/assay

ENV PATH=/opt/assay/bin:${PATH} \
    HOME=/data \
    ASSAY_HOME=/data/.assay \
    ASSAY_HEALTH=:8080 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
VOLUME ["/data"]
WORKDIR /data
USER 10001:10001

# Whether the worker lives. A store that is away is ridden out, and no reason to kill it.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8080, timeout=5); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
EXPOSE 8080
ENTRYPOINT ["tini", "--", "assay"]
CMD ["worker"]
