package hostcheck

import (
	"context"
	"strings"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/host"
)

// metadata is who the host is.
type metadata struct {
	identity host.Identity // the zero one where err is set
	err      error
}

func (h *Host) lookAtMetadata(ctx context.Context) metadata {
	return h.metadata.Get(func() (m metadata) {
		ctx, cancel := doctor.Limit(ctx)
		defer cancel()
		if m.identity, m.err = h.Metadata.Identify(ctx, h.Given); m.err != nil {
			m.identity = host.Identity{}
		}
		return m
	})
}

func (h *Host) checkMetadata(ctx context.Context) doctor.Result {
	m := h.lookAtMetadata(ctx)
	id := m.identity
	switch {
	case m.err != nil:
		return h.unidentified(m.err)
	case !id.EC2:
		return doctor.Okf("not asked, since --instance-id and --host-ip say that this is %s at %s",
			id.InstanceID, id.Address)
	case id.VPC == "":
		return doctor.Warnf("EC2 says that this is %s at %s, and not in which VPC", id.InstanceID, id.Address).
			Hintf("choose the zone by --zone-id (ECSSD_ZONE_ID)")
	}
	return doctor.Okf("EC2 says that this is %s at %s in %s, %s", id.InstanceID, id.Address, id.VPC, id.Region)
}

// unidentified returns why the host does not know who it is.
func (h *Host) unidentified(err error) doctor.Result {
	const offEC2 = "off EC2 give --instance-id and --host-ip"
	if h.Metadata.Off() {
		return doctor.Failf("this host does not know who it is: AWS_EC2_METADATA_DISABLED=true switches EC2 " +
			"metadata off").
			Hintf("take AWS_EC2_METADATA_DISABLED out of the environment and of /etc/ecssd/ecssd.conf; " + offEC2)
	}
	// The SDK's error of a token that it did not get has the reason in its text alone, at the end.
	reason := doctor.Cause(err)
	r := doctor.Failf("this host does not know who it is: %s",
		strings.TrimSpace(reason[strings.LastIndex(reason, ",")+1:]))
	if at := h.Metadata.Endpoint(); at != "" {
		return r.Hintf("the AWS configuration has EC2 metadata asked at %s: leave AWS_EC2_METADATA_SERVICE_ENDPOINT "+
			"and "+
			"…_ENDPOINT_MODE out, and ec2_metadata_service_endpoint and …_endpoint_mode in AWS_CONFIG_FILE; "+
			offEC2, at)
	}
	return r.Hintf("switch the instance's metadata on (aws ec2 modify-instance-metadata-options --http-endpoint " +
		"enabled); " +
		"in a container use --network host; " + offEC2)
}
