# Two stages: the first builds and installs, the second has what runs and nothing to build with.
FROM python:3.13-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /source

# The dependencies first: they change less often than the code.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv --without-pip /opt/resumer \
    && pip install --require-hashes -r requirements-build.lock \
    && pip --python /opt/resumer/bin/python install --require-hashes -r requirements.lock

COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
    && pip --python /opt/resumer/bin/python install --no-deps --no-index /wheel/*.whl

FROM python:3.13-slim-trixie
# The root file system may be read-only: nothing is written, not even bytecode.
ENV PATH=/opt/resumer/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RESUMER_HTTP_HOST=0.0.0.0 \
    RESUMER_LOG_FORMAT=json
COPY --from=build /opt/resumer /opt/resumer
USER 65532:65532
EXPOSE 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["resumer-daemon", "health"]
ENTRYPOINT ["resumer-daemon"]
CMD ["run"]
