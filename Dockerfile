# The agent and nothing else: no shell, no libraries, no files of a distribution. "make image" builds it.

# Where there is no shell to make a directory with, WORKDIR makes one.
FROM scratch AS state
WORKDIR /state

FROM scratch
ARG TARGETARCH
ARG VERSION
LABEL org.opencontainers.image.title="ecssd" \
      org.opencontainers.image.description="Keeps weighted SRV records in a Route 53 private zone in step with the containers of an ECS host" \
      org.opencontainers.image.source="https://github.com/ecssd/ecssd" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY bin/linux-$TARGETARCH/ecssd /ecssd
# A named volume takes its owner from here. A directory of the host does not, and has to belong to the user.
COPY --from=state --chown=65532:65532 /state /var/lib/ecssd
# No user of any host. The Engine's socket is opened by a group: docker run --group-add.
USER 65532:65532
HEALTHCHECK --timeout=5s CMD ["/ecssd", "healthcheck"]
ENTRYPOINT ["/ecssd"]
CMD ["agent"]
