# mohr as one image: the locked packages, each with its hash, and the project; it runs as a user without rights.
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /opt/mohr

COPY requirements.lock ./
RUN python -m pip install --require-hashes --requirement requirements.lock

COPY pyproject.toml LICENSE ./
COPY app app
COPY audit audit
COPY client client
COPY custodian custodian
COPY authenticity authenticity
COPY documents documents
COPY events events
COPY identity identity
COPY kernel kernel
COPY paper paper
COPY pki pki
COPY procurement procurement
COPY schemas schemas
COPY sealing sealing
COPY signing signing
COPY transparency transparency
RUN python -m pip install --no-deps --no-build-isolation .

RUN useradd --system --create-home --home-dir /data --uid 10001 mohr
USER mohr
WORKDIR /data
VOLUME /data
EXPOSE 8400
ENTRYPOINT ["mohr"]
CMD ["--help"]
