# The exporter, and its demo: `docker build --tag pipeline-exporter .`
# It keeps its history in /data unless PIPELINE_EXPORTER_DATABASE says otherwise, and writes nowhere else.
FROM python:3.13.16-slim-trixie AS python

FROM python AS build
# With a fixed time Python marks compiled files by content, so that two builds give the same ones.
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    SOURCE_DATE_EPOCH=1577836800
WORKDIR /source
# First what changes seldom: the packages of others, each with its version and digest.
COPY requirements requirements
RUN python -m venv --without-pip /opt/pipeline-exporter \
    && pip --python /opt/pipeline-exporter/bin/python install \
        --require-hashes --only-binary :all: --requirement requirements/server.txt \
    && pip install --require-hashes --only-binary :all: --requirement requirements/build.txt
COPY . .
RUN python -m hatchling build --target wheel --directory /wheel \
    && pip --python /opt/pipeline-exporter/bin/python install --no-deps --no-index /wheel/*.whl

FROM python
LABEL org.opencontainers.image.title="pipeline-exporter" \
      org.opencontainers.image.description="Run history, Prometheus metrics and a JSON API for any pipeline" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13.16-slim-trixie"
# The number is fixed: files that others make for this user, such as secrets, name it.
RUN groupadd --gid 10001 exporter \
    && useradd --uid 10001 --gid exporter --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin exporter \
    && install --directory --owner=exporter --group=exporter --mode=0700 /data
COPY --from=build /opt/pipeline-exporter /opt/pipeline-exporter
ENV PATH=/opt/pipeline-exporter/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIPELINE_EXPORTER_DATABASE=sqlite:////data/pipeline-exporter.db \
    PIPELINE_EXPORTER_LISTEN=0.0.0.0:9877
WORKDIR /data
USER 10001:10001
EXPOSE 9877
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:9877/readyz', timeout=4)"]
ENTRYPOINT ["pipeline-exporter"]
CMD ["serve"]
