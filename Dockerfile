# The service: python and what it needs, nothing that builds, nobody but its own user, nothing written but below /tmp.
# Any base with Python 3.11 or newer and CA certificates does; pin it by digest where builds must be repeatable.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
# pip's own settings, for those who have a mirror or a folder of wheels.
ARG PIP_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
ARG PIP_CERT
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
# The tools that build the wheel stay here; the result's environment has no pip either.
RUN python3 -m venv /tools && python3 -m venv --without-pip /opt/evalforge
COPY requirements/run.txt requirements/gcp.txt requirements/metrics.txt requirements/
RUN /tools/bin/python -m pip install --quiet --require-hashes -r requirements/run.txt \
 && /tools/bin/python -m pip --python /opt/evalforge/bin/python install --quiet --no-compile --require-hashes -r requirements/gcp.txt -r requirements/metrics.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /tools/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . \
 && /tools/bin/python -m pip --python /opt/evalforge/bin/python install --quiet --no-compile --no-deps --no-index dist/*.whl
# Bytecode and compiled rules are made now: at run time there is nowhere to keep them, and a cold start would wait.
# Nothing compares the bytecode with its source's time, so that it holds however the image's layers are unpacked.
RUN /opt/evalforge/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/evalforge/lib
RUN KF_RULE_CACHE_DIR=/build/rule-cache /opt/evalforge/bin/python -c \
 'from evalforge.ingestion.pii.text.engine import TextEngine; TextEngine().scan("x@example.com")' \
 && chmod 0400 rule-cache/* && chmod -R a+rX /opt/evalforge

FROM ${BASE_IMAGE}
COPY --from=build /opt/evalforge /opt/evalforge
# Kingfisher trusts a cache only if it is its own user's.
COPY --from=build --chown=65532:65532 /build/rule-cache /opt/rule-cache
ENV PATH=/opt/evalforge/bin:$PATH KF_RULE_CACHE_DIR=/opt/rule-cache HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
# A number, so that a platform that demands it can see that this is not root; no account of the base is needed.
USER 65532:65532
EXPOSE 8080
# Requests get six seconds after SIGTERM, then the process ends: Cloud Run kills after ten (cli/http_server.py).
ENTRYPOINT ["evalforge"]
CMD ["serve", "--host", "0.0.0.0"]
