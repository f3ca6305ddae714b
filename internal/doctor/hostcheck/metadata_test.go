package hostcheck

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/doctor"
	sandboxed "github.com/ecssd/ecssd/internal/sandbox/imds"
)

func TestMetadataOffEC2(t *testing.T) {
	assert.Equal(t,
		doctor.Okf("not asked, since --instance-id and --host-ip say that this is i-1 at 10.0.0.7").Of("metadata"),
		one(t, here(t, "unix:///nowhere/docker.sock"), "metadata"))
}

func TestMetadata(t *testing.T) {
	h, _ := onEC2(t)
	assert.Equal(t,
		doctor.Okf("EC2 says that this is i-0123456789abcdef0 at 10.0.0.1 in vpc-sandbox, eu-central-1").Of("metadata"),
		one(t, h, "metadata"))
	assert.True(t, h.Identity(t.Context()).EC2)
}

func TestMetadataWithoutVPC(t *testing.T) {
	h, s := onEC2(t)
	mac := s.Metadata().Values()["meta-data/mac"]
	require.NotEmpty(t, mac)
	s.Metadata().Set("meta-data/network/interfaces/macs/"+mac+"/vpc-id", "")
	assert.Equal(t, doctor.Warnf("EC2 says that this is i-0123456789abcdef0 at 10.0.0.1, and not in which VPC").
		Hintf("choose the zone by --zone-id (ECSSD_ZONE_ID)").Of("metadata"), one(t, h, "metadata"))
}

func TestMetadataThatDoesNotAnswer(t *testing.T) {
	h, s := onEC2(t)
	require.NoError(t, s.Metadata().SetMode(sandboxed.Failing))
	r := one(t, h, "metadata")
	assert.Equal(t, doctor.Fail, r.State)
	assert.Regexp(t, `^this host does not know who it is: [^,]+$`, r.Detail)
	assert.True(t, strings.HasPrefix(r.Hint, "the AWS configuration has EC2 metadata asked at "+s.URL()+": "), r.Hint)
	assert.Contains(t, r.Hint, "off EC2 give --instance-id and --host-ip")
	assert.Zero(t, h.Identity(t.Context()))
}

func TestMetadataSwitchedOff(t *testing.T) {
	h, _ := onEC2(t, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	assert.Equal(t, doctor.Failf("this host does not know who it is: AWS_EC2_METADATA_DISABLED=true switches EC2 "+
		"metadata off").
		Hintf("take AWS_EC2_METADATA_DISABLED out of the environment and of /etc/ecssd/ecssd.conf; "+
			"off EC2 give --instance-id and --host-ip").Of("metadata"), one(t, h, "metadata"))
}
