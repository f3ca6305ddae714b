// Command sweeper is the sweeper as a Lambda function (runtime provided.al2023, executable bootstrap): each invocation
// is one pass over one hosted zone. Its parameters are environment variables; the event may ask for a dry run.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/sweep"
	"github.com/ecssd/ecssd/internal/sweep/run"
)

func main() {
	lambda.Start(func(ctx context.Context, payload json.RawMessage) (sweep.Report, error) {
		return handle(ctx, payload, os.Getenv, os.Stdout)
	})
}

// event is what is read of the event: a scheduled event, an empty one, or {"dryRun": true}.
type event struct {
	DryRun bool `json:"dryRun"`
}

// handle makes one pass. It writes the log and the metrics to out, as CloudWatch reads them. A pass that fails, or
// that exceeds the budget, is an error of the function. Its text ends with the report, since Lambda returns no result
// beside an error.
func handle(
	ctx context.Context,
	payload json.RawMessage,
	getenv func(string) string,
	out io.Writer,
) (sweep.Report, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return sweep.Report{}, fmt.Errorf("read the event: %w", err)
	}
	p, level, err := readParameters(getenv)
	if err != nil {
		return sweep.Report{}, fmt.Errorf("read the environment: %w", err)
	}
	p.DryRun = p.DryRun || e.DryRun
	log := logrus.New()
	log.SetOutput(out)
	log.SetLevel(level)
	log.SetFormatter(&logrus.JSONFormatter{})
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return sweep.Report{}, fmt.Errorf("read the AWS configuration: %w", err)
	}
	report, err := run.Sweep(ctx, loaded, p, logrus.NewEntry(log))
	err = errors.Join(err, emit(out, p.Zone, report))
	if err == nil {
		return report, nil
	}
	text, marshalErr := json.Marshal(report)
	if marshalErr != nil {
		return report, errors.Join(err, marshalErr)
	}
	return report, fmt.Errorf("%w: %s", err, text)
}
