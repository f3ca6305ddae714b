package eventbridge

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/assert"
)

// An answer with more entries than the request had must not end the agent.
func TestAnswerWithMoreEntriesThanTheRequest(t *testing.T) {
	b := New(aws.Config{}, "operations", prometheus.NewRegistry(), logrus.NewEntry(logrus.New()))
	failed := types.PutEventsResultEntry{ErrorCode: aws.String("InternalFailure")}
	b.put = func(context.Context, *sdk.PutEventsInput, ...func(*sdk.Options)) (*sdk.PutEventsOutput, error) {
		return &sdk.PutEventsOutput{Entries: []types.PutEventsResultEntry{failed, failed}}, nil
	}
	batch := []Event{{Kind: "registered"}}
	left, err := b.call(t.Context(), batch)
	assert.Error(t, err)
	assert.Equal(t, batch, left)
}
