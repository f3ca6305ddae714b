# "make image" builds this. The image holds the agent alone: no shell, no libraries, no distribution.

# There is no shell to run mkdir; WORKDIR creates the directory.
FROM scratch AS state
WORKDIR /state

FROM scratch
ARG TARGETARCH
ARG VERSION
LABEL org.opencontainers.image.title="ecssd" \
      org.opencontainers.image.description="Registers the containers of an ECS host as weighted SRV records in a Route 53 private hosted zone" \
      org.opencontainers.image.source="https://github.com/ecssd/ecssd" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY bin/linux-$TARGETARCH/ecssd /ecssd
# A named volume takes its owner from this directory. A host directory mounted here must belong to user 65532 already.
COPY --from=state --chown=65532:65532 /state /var/lib/ecssd
# An ID that no host uses. Access to the Engine's socket comes from its group: docker run --group-add.
USER 65532:65532
HEALTHCHECK --timeout=5s CMD ["/ecssd", "healthcheck"]
ENTRYPOINT ["/ecssd"]
CMD ["agent"]
