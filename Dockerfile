# syntax=docker/dockerfile:1
# The operator's and the worker's image: one program, its libraries and CA certificates, nothing else.
#
#   docker build -t awp:0.1.0 .

# The oldest Debian that is still supported: a program linked against its C library also runs in
# images with a newer one, where `awp worker --exec` may be copied to.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# Cache mounts keep the registry and compiled dependencies between builds on one machine; the program
# is copied out because mounts are not part of a layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package awp --bin awp \
    && scripts/rootfs.sh target/release/awp /rootfs

FROM scratch
COPY --from=build /rootfs /
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/awp"]
CMD ["run"]
LABEL org.opencontainers.image.title="awp" \
      org.opencontainers.image.description="Agent Worker Pools: scales pools of AI-agent workers from their queue" \
      org.opencontainers.image.licenses="Apache-2.0"
