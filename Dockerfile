# syntax=docker/dockerfile:1

# ---- build: the locked set of packages in a virtual environment of its own
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
RUN python -m venv /opt/ostiary
WORKDIR /source
COPY constraints.txt ./
RUN /opt/ostiary/bin/pip install --constraint constraints.txt hatchling editables
COPY . .
RUN /opt/ostiary/bin/pip install --constraint constraints.txt --no-build-isolation ./sdk . \
    && /opt/ostiary/bin/pip uninstall --yes hatchling editables

# ---- run: that environment, an account without rights, nothing else
FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin ostiary \
    && install -d -o ostiary -g ostiary -m 0700 /var/lib/ostiary
COPY --from=build /opt/ostiary /opt/ostiary
ENV PATH=/opt/ostiary/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OSTIARY_DATA_DIR=/var/lib/ostiary \
    OSTIARY_LISTEN=0.0.0.0:3201
WORKDIR /var/lib/ostiary
VOLUME /var/lib/ostiary
USER 10001:10001
EXPOSE 3201
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["ostiary", "healthcheck"]
ENTRYPOINT ["ostiary"]
CMD ["serve"]
