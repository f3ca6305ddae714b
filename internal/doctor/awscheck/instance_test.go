package awscheck

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/sweep/inventory"
)

func TestJudgeHops(t *testing.T) {
	const hint = "aws ec2 modify-instance-metadata-options --instance-id i-1 --http-tokens required " +
		"--http-put-response-hop-limit 1"
	for access, want := range map[inventory.MetadataAccess]doctor.Result{
		{HopLimit: 1, Tokens: true}: doctor.Okf("metadata takes a token, and its hop limit is 1"),
		{HopLimit: 2, Tokens: true}: doctor.Warnf("the metadata hop limit is 2: " +
			"containers in a bridge can take this host's credentials").
			Hintf(hint + "; unless the agent itself runs in one"),
		{HopLimit: 2}: doctor.Warnf("metadata is given without a token: " +
			"whoever makes a process here fetch an address gets this host's credentials").Hintf(hint),
	} {
		assert.Equal(t, want, judgeHops(access, "i-1"), access)
	}
}

func TestJudgeVPC(t *testing.T) {
	const useless = " of vpc-1 is off, so that private hosted zones do not work in it"
	assert.Equal(t, doctor.Okf("enableDnsSupport and enableDnsHostnames of vpc-1 are on"),
		judgeVPC("vpc-1", true, true))
	noSupport := doctor.Failf("enableDnsSupport" + useless).
		Hintf("aws ec2 modify-vpc-attribute --vpc-id vpc-1 --enable-dns-support")
	assert.Equal(t, noSupport, judgeVPC("vpc-1", false, true))
	assert.Equal(t, noSupport, judgeVPC("vpc-1", false, false), "without it the other cannot be on")
	assert.Equal(t, doctor.Failf("enableDnsHostnames"+useless).
		Hintf("aws ec2 modify-vpc-attribute --vpc-id vpc-1 --enable-dns-hostnames"), judgeVPC("vpc-1", true, false))
}
