# The environment, not the code: the repository is mounted at /project, so the image holds neither
# data nor secrets. torch brings its own CUDA libraries; the base for GPUs adds what the NVIDIA
# container runtime asks for. Both bases are Ubuntu 24.04, pinned by digest.
ARG BASE=ubuntu:24.04@sha256:224a1869083a311ef3f13648a154ba79832fbef6364d31493642ca03082da254

FROM ghcr.io/astral-sh/uv:0.13.0@sha256:cdc6093146eb3ff6a40107b38f008b789e050e77ad87865e381d9917da55a168 AS uv

FROM ${BASE}
ARG USER_ID=1000
ARG GROUP_ID=1000

# The archive keeps only the newest version of a package, so a pin here would break the next build.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git libexpat1 libgomp1 make openssh-client \
    && rm -rf /var/lib/apt/lists/*

COPY --from=uv /uv /usr/local/bin/uv
COPY requirements.txt /tmp/requirements.txt
ENV UV_PYTHON_INSTALL_DIR=/opt/python
RUN uv venv --python 3.11.7 /opt/venv \
    && VIRTUAL_ENV=/opt/venv uv pip sync --no-cache --compile-bytecode /tmp/requirements.txt

# Ubuntu's image has a user of its own with the number that most people have.
RUN if id ubuntu > /dev/null 2>&1; then userdel --remove ubuntu; fi \
    && groupadd --gid "${GROUP_ID}" --non-unique urbanseg \
    && useradd --uid "${USER_ID}" --gid "${GROUP_ID}" --non-unique --create-home urbanseg \
    && git config --system --add safe.directory /project
USER ${USER_ID}:${GROUP_ID}
WORKDIR /project
ENV PATH=/opt/venv/bin:$PATH VIRTUAL_ENV=/opt/venv
CMD ["python", "-m", "ci.before_dvc", "dvc", "repro"]
